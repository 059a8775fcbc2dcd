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

namespace weft {

class DeviceNetworks;

/// The tensors of one network in the order of its space, each contiguous.
using NetworkWeights = std::span<const float* const>;
using NetworkGradient = std::span<float* const>;

/// Items by their places in a data set that all networks share.
struct MiniBatch {
  const Dataset& data;
  std::span<const std::int32_t> items;
};

/// Of hidden values, for one network and step.
struct Dropout {
  double rate = 0;
  RandomKey key{0, "dropout"};  ///< of all that is random in the step
};

struct Score {
  double loss = 0, accuracy = 0;  ///< means over the items
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
  /// Throws ShapeError, UsageError when the items or classes of the data are not what the networks take.
  virtual void check(const Dataset& data) const = 0;
  /// Mean cross-entropy over the batch; its gradient is written to `gradient`. Scratch comes from `arena`.
  virtual double loss_and_gradient(NetworkWeights weights, const MiniBatch& batch, const Dropout& dropout,
                                   NetworkGradient gradient, Arena& arena) const = 0;
  virtual Score evaluate(NetworkWeights weights, const MiniBatch& items, Arena& arena) const = 0;
  /// The same networks on a device, in mini-batches of so many items; this outlives them. Throws UsageError for what
  /// only the CPU does.
  virtual std::unique_ptr<DeviceNetworks> on_device(Backend& backend, std::int64_t batch) const = 0;
};

}  // namespace weft
