#pragma once
// Small convolutional networks as a population (spec 1.1): convolutions without padding, activation (and dropout) after
// each, mean over the image, one dense layer. Its definition is networks/cnn/definition.h.

#include "weft/networks/cnn/cnn_layers.h"
#include "weft/networks/population/population_model.h"

namespace weft {

/// Cost of a training image of the default architecture: 0.47 MFLOP. Values that no later layer reads (6x6 under a 3x3
/// kernel with stride 2 gives 2x2 from 5x5) are not computed; with them it would be 0.65.
///
/// Dropout is by value after each activation: byte i % 16 of Philox block i / 16 of key.at(layer), layer from 0; i
/// counts the computed values as [item of the batch, row, column, channel], channels padded to a multiple of 16.
/// A value is kept, times 256 / (256 - t), when its byte is at least t = round(256 rate).
class CnnPopulation final : public PopulationModel {
 public:
  /// Throws UsageError for another activation, widths and kernels that do not match, or an image that is too small.
  explicit CnnPopulation(CnnArchitecture architecture);

  const CnnArchitecture& architecture() const { return architecture_; }
  /// Multiplications and additions for one image that are executed: forward, and forward with backward.
  double forward_flops() const override;
  double training_flops() const override;

  ArchitectureFacts facts() const override;
  const Space& space() const override { return space_; }
  void check(const Dataset& data) const override;
  double loss_and_gradient(NetworkWeights weights, const MiniBatch& batch, const Dropout& dropout,
                           NetworkGradient gradient, Arena& arena) const override;
  Score evaluate(NetworkWeights weights, const MiniBatch& items, Arena& arena) const override;
  std::unique_ptr<DeviceNetworks> on_device(Backend& backend, std::int64_t batch) const override;

 private:
  struct Scratch;

  Scratch make_scratch(NetworkWeights weights, bool training, Arena& arena) const;
  template <class Body>
  void each_input(const Scratch& s, std::size_t layer, const MiniBatch& batch, std::int64_t first, std::int64_t count,
                  const Body& body) const;
  void forward(const Scratch& s, const MiniBatch& batch, std::int64_t first, std::int64_t count,
               const Dropout& dropout) const;
  void backward(const Scratch& s, const MiniBatch& batch, std::int64_t first, std::int64_t count,
                const Dropout& dropout) const;
  void write_gradient(const Scratch& s, NetworkGradient gradient) const;

  CnnArchitecture architecture_;
  Space space_;
  std::vector<CnnLayer> layers_;
  std::int64_t group_ = 1;  ///< images that go through the network together
};

}  // namespace weft
