#pragma once
// The baselines as models (spec 4.4): a dense network with ReLU on standardised inputs.

#include "weft/nfn/models/accuracy_model.h"
#include "weft/nn/layers.h"

namespace weft {

/// StatNN (7 statistics a tensor -> hidden -> hidden -> 1), balanced StatNN (the same of the balanced network), and the
/// MLP on flattened weights, by config.kind.
class BaselineModel final : public AccuracyModel {
 public:
  BaselineModel(const ModelConfig& config, const Space& space);

  std::vector<Tensor> standardise(std::span<const Tensor> weights) override;
  std::vector<Tensor> prepare(std::span<const Tensor> weights) const override;
  Var forward(Tape& tape, std::span<const Tensor> prepared) const override;

 private:
  std::int64_t inputs() const;
  /// Raw inputs [n, inputs].
  Tensor read(std::span<const Tensor> weights) const;
  /// In place.
  std::vector<Tensor> standardised(const Tensor& raw) const;

  int mean_, inverse_deviation_;  ///< frozen parameters: they travel with the model
  Mlp mlp_;
};

}  // namespace weft
