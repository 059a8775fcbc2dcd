#include "weft/nfn/models/magep_model.h"

#include <algorithm>

#include "weft/groups/derive.h"
#include "weft/nfn/magep/terms.h"
#include "weft/ops/pointwise.h"
#include "weft/ops/terms.h"
#include "weft/ops/view.h"

namespace weft {
namespace {

/// W1[h1, in*] b1[h1] W2[h2, h1*] …: the number of layers.
int layers_of(const Space& space) {
  const auto& tensors = space.tensors();
  bool chain = tensors.size() >= 4 && tensors.size() % 2 == 0;
  for (std::size_t i = 0; chain && i < tensors.size(); i += 2) {
    const auto &w = tensors[i].axes, &b = tensors[i + 1].axes;
    chain = w.size() == 2 && b.size() == 1 && w[0] == b[0] && w[1].role == Role::covector &&
            (i == 0 || w[1].factor == tensors[i - 2].axes[0].factor);
  }
  if (!chain)
    throw TypeError("[magep] space '{}' is no chain W1 b1 W2 b2 …; allowed: dense and convolutional networks",
                    space.str());
  return static_cast<int>(tensors.size() / 2);
}

UnaryOp act_of(const Space& space) {
  const auto& factors = space.factors();
  const bool signs =
      std::any_of(factors.begin(), factors.end(), [](const Factor& f) { return f.kind == Kind::sign_monomial; });
  return signs ? UnaryOp::Tanh : UnaryOp::Relu;
}

}  // namespace

MagepModel::MagepModel(const ModelConfig& config, const Space& space)
    : AccuracyModel(config, space),
      folded_(space.without_taps()),
      act_(act_of(space)),
      lift_(parameters_, "lift", space, folded_, derive_linear(space, folded_), 1, config.channels),
      invariant_(parameters_, "I", folded_, Space::parse("y"), magep_invariant_terms(layers_of(space)), config.channels,
                 config.channels),
      head_(parameters_, "head", {config.channels, config.hidden, config.hidden, 1}) {
  for (std::int64_t i = 0; i < config.equivariant_layers; ++i)
    equivariant_.emplace_back(parameters_, "E" + std::to_string(i + 1), folded_, folded_,
                              magep_equivariant_terms(layers_of(space)), config.channels, config.channels,
                              config.train_psi);
}

std::vector<Tensor> MagepModel::prepare(std::span<const Tensor> weights) const {
  return {weights.begin(), weights.end()};
}

Var MagepModel::forward(Tape& tape, std::span<const Tensor> prepared) const {
  const std::size_t n = prepared.size();
  const std::span<Var> x(tape.arena().allocate_array<Var>(n), n), y(tape.arena().allocate_array<Var>(n), n);
  std::uninitialized_fill(y.begin(), y.end(), Var{});
  for (std::size_t t = 0; t < n; ++t)
    new (&x[t]) Var(tape.constant(prepared[t], space_.type(static_cast<int>(t)), space_.tensors()[t].name));
  auto run = [&](const TermLayer& layer) {
    layer(parameters_, x, y);
    for (std::size_t t = 0; t < n; ++t) x[t] = unary(act_, y[t], traits(act_).default_parameter);
  };
  run(lift_);
  for (const TermLayer& layer : equivariant_) run(layer);
  Var features[1];
  invariant_(parameters_, x, features);
  return reshape(head_(parameters_, features[0]), {prepared[0].dim(0)});
}

double MagepModel::step_flops(std::int64_t batch) const {
  const std::int64_t d = config_.channels, hidden = config_.hidden;
  double forward = term_flops(lift_.list(), batch, 1, d) + term_flops(invariant_.list(), batch, d, d) +
                   2 * static_cast<double>(batch * (d * hidden + hidden * hidden + hidden));
  for (const TermLayer& layer : equivariant_) forward += term_flops(layer.list(), batch, d, d);
  return 3 * forward;  // a backward pass costs two forward passes
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
