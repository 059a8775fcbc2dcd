#include "weft/nfn/models/magep_model.h"

#include <algorithm>

#include "weft/groups/derive.h"
#include "weft/ops/view.h"

namespace weft {
namespace {

UnaryOp act_of(const Space& space) {
  const auto& factors = space.factors();
  const bool signs = std::any_of(factors.begin(), factors.end(), [](const Factor& f) { return f.kind->has_signs(); });
  return signs ? UnaryOp::Tanh : UnaryOp::Relu;
}

}  // namespace

MagepModel::MagepModel(const ModelConfig& config, const Space& space)
    : AccuracyModel(config, space),
      folded_(space.without_taps()),
      act_(act_of(space)),
      lift_(*this, "lift", space, folded_, derive_linear(space, folded_), 1, config.channels),
      invariant_(*this, "I", folded_, config.channels, config.channels),
      head_(*this, "head", {config.channels, config.hidden, config.hidden, 1}) {
  for (std::int64_t i = 0; i < config.equivariant_layers; ++i)
    equivariant_.emplace_back(*this, "E" + std::to_string(i + 1), folded_, config.channels, config.channels,
                              config.train_psi);
}

std::vector<Tensor> MagepModel::prepare(std::span<const Tensor> weights) const {
  return {weights.begin(), weights.end()};
}

std::vector<FixedAxis> MagepModel::fixed_axes() const { return fixed_axes_of(space_); }

Var MagepModel::forward(Tape& tape, std::span<const Tensor> prepared) const {
  const LayerInput activated{.activation = act_};
  Features x = lift_(Features::constant(tape, space_, prepared));
  for (const MagepEquivariant& layer : equivariant_) x = layer(x, activated);
  return reshape(head_(invariant_(x, activated)), {x.batch()});
}

}  // namespace weft
