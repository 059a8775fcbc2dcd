#pragma once
// Small transformers as a population (spec 6.1), by kernels of their own. What they compute is said by their definition
// (networks/transformer/definition.h), which the tests hold them against.

#include "weft/networks/population/population_model.h"
#include "weft/networks/transformer/transformer_layers.h"

namespace weft {

/// Fixed sinusoidal positions are added to the embedding. With a residual stream they stay as they are, and so do word
/// vectors: the stream's axis is fixed, and the group has no permutation of it (spec 1.4).
///
/// In training, images are padded with -1 by `crop` pixels and cropped: item i of the batch begins at row
/// uniform_index(k, 2i, 2 crop + 1) and column uniform_index(k, 2i + 1, 2 crop + 1) of the padded one, k =
/// dropout.key.at("crop"). Dropout is by value after the embedding (site 0), after attention (1 + 2 block) and after
/// the MLP (2 + 2 block): byte j % 16 of Philox block j / 16 of key.at(site); j counts [item of the batch, token,
/// channel], channels padded to a multiple of 16. A value is kept, times 256 / (256 - t), when its byte is at least t,
/// t = round(256 rate).
class TransformerPopulation final : public PopulationModel {
 public:
  /// Throws UsageError for sizes below 1, fewer than two blocks, or patches that do not divide the image.
  explicit TransformerPopulation(TransformerArchitecture architecture);

  const TransformerArchitecture& architecture() const { return architecture_; }
  /// Multiplications and additions for one item with all tokens: forward, and forward with backward.
  double forward_flops() const override;
  double training_flops() const override;

  ArchitectureFacts facts() const override;
  const Space& space() const override { return space_; }
  void check(const Dataset& data) const override;
  double loss_and_gradient(NetworkWeights weights, const MiniBatch& batch, const Dropout& dropout,
                           NetworkGradient gradient, Arena& arena) const override;
  Score evaluate(NetworkWeights weights, const MiniBatch& items, Arena& arena) const override;
  std::unique_ptr<DeviceNetworks> on_device(Backend& backend, std::int64_t batch) const override;

  /// Of a mini-batch: as many as its longest text has, or those of all items.
  std::int64_t tokens_of(const MiniBatch& batch) const;
  /// [tokens, D padded]
  const std::vector<float>& positions() const { return positions_; }

 private:
  struct Scratch;
  struct Step;

  Scratch make_scratch(NetworkWeights weights, const MiniBatch& batch, bool training, Arena& arena) const;
  void embed(const Step& step) const;
  void attend(const Scratch& s, std::size_t block, std::int64_t count) const;
  void attend_backward(const Scratch& s, std::size_t block, std::int64_t count) const;
  void forward(const Step& step) const;
  void backward(const Step& step) const;
  void write_gradient(const Scratch& s, NetworkGradient gradient) const;

  TransformerArchitecture architecture_;
  Space space_;
  TransformerMaps maps_;
  std::vector<float> positions_;
};

}  // namespace weft
