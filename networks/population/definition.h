#pragma once
// One definition of an input architecture: its space, its forward pass on a tape for many networks at once, where
// values drop out. From it follows a population of its networks, on the CPU and on a device. An architecture whose
// trainings take too long has kernels by hand instead, which the tests hold against its definition.

#include <memory>
#include <vector>

#include "weft/autograd/tape.h"
#include "weft/networks/population/population_model.h"

namespace weft {

/// Values of one item that drop out together: those of [rows, columns] positions, the first of a larger grid where no
/// later layer reads the others. Which of them do is as networks/cnn/cnn_population.h has it.
struct DropoutSite {
  std::int64_t rows, columns, channels;
};

/// Dropout of one step: y = drop(number of the site, x), x: [B, n, channels, rows, columns] or of tokens
/// [B, n, rows, channels].
class SiteDropout {
 public:
  virtual ~SiteDropout() = default;
  virtual Var operator()(std::size_t site, const Var& x) const = 0;
};

/// What networks read: images [channels, rows, columns], or texts of word vectors [length, D].
struct ItemFormat {
  Shape shape;
  std::int64_t crop = 0;  ///< training images are moved by up to so many pixels, what comes in is -1 (black)
  /// Or what they store: such an image each, so many of them the same (PopulationModel::views). They read where pixels
  /// lie, [row, column] from -1 to 1, and say what is there; the loss is the mean squared error.
  std::int64_t views = 0;

  bool texts() const { return shape.rank() == 2; }
};

class NetworkDefinition {
 public:
  virtual ~NetworkDefinition() = default;

  virtual const Space& space() const = 0;
  virtual ArchitectureFacts facts() const = 0;
  /// Classes, or the channels of a pixel.
  virtual std::int64_t outputs() const = 0;
  virtual ItemFormat items() const = 0;
  virtual std::vector<DropoutSite> sites() const { return {}; }
  /// Of B networks, each on n items of its own. weights: [B, taps, axes…] in the order of the space, of plain types;
  /// items: [B, n, shape of an item…], or places [B, n, 2]. Returns [B, n, outputs].
  virtual Var forward(std::span<const Var> weights, const Var& items, const SiteDropout& drop) const = 0;
};

/// Networks of a definition.
class DefinedPopulation : public PopulationModel {
 public:
  explicit DefinedPopulation(std::shared_ptr<const NetworkDefinition> definition);

  const NetworkDefinition& definition() const { return *definition_; }
  ArchitectureFacts facts() const override { return definition_->facts(); }
  const Space& space() const override { return definition_->space(); }
  std::int64_t views() const override { return definition_->items().views; }
  void check(const Dataset& data) const override;
  double loss_and_gradient(NetworkWeights weights, const MiniBatch& batch, const Dropout& dropout,
                           NetworkGradient gradient, Arena& arena) const override;
  Score evaluate(NetworkWeights weights, const MiniBatch& items, Arena& arena) const override;
  std::unique_ptr<DeviceNetworks> on_device(Backend& backend, std::int64_t batch) const override;

 private:
  std::shared_ptr<const NetworkDefinition> definition_;
};

}  // namespace weft
