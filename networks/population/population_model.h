#pragma once
// What the training of populations (networks/population/population_trainer.h) asks of an architecture: the loss,
// gradient and score of ONE network, computed by the calling thread, of which the trainer walks many in parallel; on a
// device, those of many networks at once.

#include <map>
#include <memory>
#include <span>
#include <string>

#include "weft/core/arena.h"
#include "weft/core/random.h"
#include "weft/data/dataset.h"
#include "weft/groups/space.h"
#include "weft/networks/population/recipes.h"

namespace weft {

class DeviceNetworks;

/// The tensors of one network in the order of its space, each contiguous.
using NetworkWeights = std::span<const float* const>;
using NetworkGradient = std::span<float* const>;

/// Items by their places in a data set that all networks share; of implicit networks, pixels by their places (row by
/// row) in the image of one of them.
struct MiniBatch {
  const Dataset& data;
  std::span<const std::int32_t> items;
  std::int64_t image = 0;
};

/// Of hidden values, for one network and step.
struct Dropout {
  double rate = 0;
  RandomKey key{0, "dropout"};  ///< of all that is random in the step
};

struct Score {
  double loss = 0, accuracy = 0;  ///< means over the items; implicit networks have no accuracy: NaN
};

/// How zoos call an architecture, and what else they say of it.
struct ArchitectureFacts {
  std::string name, activation;  ///< "cnn", "relu"
  std::map<std::string, std::string> settings;
};

class PopulationModel {
 public:
  virtual ~PopulationModel() = default;

  virtual ArchitectureFacts facts() const = 0;

  /// Of one network; weights are its features with one channel.
  virtual const Space& space() const = 0;
  /// Of implicit networks, each of which stores one image (spec 9.2): so many networks, one behind the other, store the
  /// same. 0: networks are classifiers, and all of them read all items.
  virtual std::int64_t views() const { return 0; }
  bool implicit() const { return views() > 0; }
  /// What a network is trained on: items of the data, or pixels of its image.
  std::int64_t items(const Dataset& data) const { return implicit() ? data.rows() * data.columns() : data.items(); }
  /// The image of a network, by its number in the zoo.
  std::int64_t image_of(std::int64_t network) const { return implicit() ? network / views() : 0; }

  /// Multiplications and additions for one item, or pixel: forward, and forward with backward; 0 where it is not known.
  virtual double forward_flops() const { return 0; }
  virtual double training_flops() const { return 0; }

  /// Throws ShapeError, UsageError when the items or classes of the data are not what the networks take.
  virtual void check(const Dataset& data) const = 0;
  /// Start values of one tensor of a network, zeros before: here N(0, init_std), cut at init_cut, for what has more
  /// than one axis. `key`: of all starts of the population; `network`: its number in the zoo.
  virtual void draw_start(std::size_t tensor, const TrainingRecipe& recipe, RandomKey key, std::int64_t network,
                          const Tensor& to) const;
  /// Mean loss over the batch, cross-entropy or squared error of pixels; its gradient is written to `gradient`. Scratch
  /// comes from `arena`.
  virtual double loss_and_gradient(NetworkWeights weights, const MiniBatch& batch, const Dropout& dropout,
                                   NetworkGradient gradient, Arena& arena) const = 0;
  virtual Score evaluate(NetworkWeights weights, const MiniBatch& items, Arena& arena) const = 0;
  /// The same networks on a device, in mini-batches of so many items; this outlives them. Throws UsageError for what
  /// only the CPU does.
  virtual std::unique_ptr<DeviceNetworks> on_device(Backend& backend, std::int64_t batch) const = 0;
};

}  // namespace weft
