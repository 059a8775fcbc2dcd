#include "weft/nfn/models/magep_model.h"

#include <algorithm>

#include <fmt/format.h>

#include "weft/groups/derive.h"
#include "weft/ops/pointwise.h"
#include "weft/ops/terms.h"
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
      lift_(parameters_, "lift", space, folded_, derive_linear(space, folded_), 1, config.channels),
      invariant_(parameters_, "I", folded_, config.channels, config.channels),
      head_(parameters_, "head", {config.channels, config.hidden, config.hidden, 1}) {
  for (std::int64_t i = 0; i < config.equivariant_layers; ++i)
    equivariant_.emplace_back(parameters_, "E" + std::to_string(i + 1), folded_, config.channels, config.channels,
                              config.train_psi);
}

std::vector<Tensor> MagepModel::prepare(std::span<const Tensor> weights) const {
  return {weights.begin(), weights.end()};
}

std::vector<FixedAxis> MagepModel::fixed_axes() const { return fixed_axes_of(space_); }

Var MagepModel::forward(Tape& tape, std::span<const Tensor> prepared) const {
  const std::size_t n = prepared.size();
  std::span<Var> x = tape.variables(n), y = tape.variables(n);
  for (std::size_t t = 0; t < n; ++t)
    x[t] = tape.constant(prepared[t], space_.type(static_cast<int>(t)), space_.tensors()[t].name);
  const LayerInput activated{.activation = act_};
  lift_(parameters_, x, y);
  for (const MagepEquivariant& layer : equivariant_) {
    std::swap(x, y);
    layer(parameters_, x, y, activated);
  }
  return reshape(head_(parameters_, invariant_(parameters_, y, activated)), {prepared[0].dim(0)});
}

double MagepModel::step_flops(std::int64_t batch) const {
  const std::int64_t d = config_.channels, hidden = config_.hidden;
  double forward = term_flops(lift_.list(), batch, 1, d) + invariant_.flops(batch) +
                   2 * static_cast<double>(batch * (d * hidden + hidden * hidden + hidden));
  for (const MagepEquivariant& layer : equivariant_) forward += layer.flops(batch);
  return 3 * forward;  // a backward pass costs two forward passes
}

std::vector<std::string> MagepModel::fallbacks() const {
  const std::string_view why = lift_.fallback(parameters_.backend());
  if (why.empty()) return {};
  return {fmt::format("the first layer runs term by term: {}", why)};
}

std::string MagepModel::proof() const {
  std::string text;
  auto add = [&](const std::string& name, const TermList& list) {
    text += name + "\n";
    for (int i = 0; i < static_cast<int>(list.terms().size()); ++i) text += list.proof(i);
  };
  add("lift", lift_.list());
  for (std::size_t i = 0; i < equivariant_.size(); ++i) add("E" + std::to_string(i + 1), equivariant_[i].list());
  add("I", invariant_.list());
  return text;
}

}  // namespace weft
