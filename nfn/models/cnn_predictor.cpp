#include "weft/nfn/models/cnn_predictor.h"

#include "weft/groups/derive.h"
#include "weft/ops/pointwise.h"

namespace weft {
namespace {

Kind hidden(UnaryOp activation) {
  return traits(activation).homogeneous ? Kind::positive_monomial : Kind::sign_monomial;
}

}  // namespace

CnnPredictor::CnnPredictor(Parameters& parameters, const Config& c)
    : input_(cnn_space(c.widths, c.taps, hidden(c.activation))),
      dense_(mlp_space(c.widths, hidden(c.activation))),
      activation_(c.activation),
      linear_(parameters, "linear", input_, dense_, derive_linear(input_, dense_), 1, c.d),
      pool_(parameters, "pool", dense_, c.d, c.d),
      head_(parameters, "head", {c.d, c.head, c.head, 1}) {
  for (int i = 0; i < c.layers; ++i)
    layers_.emplace_back(parameters, "layers." + std::to_string(i), dense_, c.d, c.d, false);
}

Var CnnPredictor::operator()(const Parameters& parameters, std::span<const Var> x) const {
  Arena& arena = x[0].tape().arena();
  const std::size_t n = dense_.tensors().size();
  std::span<Var> y(arena.allocate_array<Var>(n), n), next(arena.allocate_array<Var>(n), n);
  std::uninitialized_fill(y.begin(), y.end(), Var{});
  std::uninitialized_fill(next.begin(), next.end(), Var{});
  const LayerInput activated{.activation = activation_};
  linear_(parameters, x, y);
  for (const MagepEquivariant& layer : layers_) {
    layer(parameters, y, next, activated);
    std::swap(y, next);
  }
  return sigmoid(head_(parameters, pool_(parameters, y, activated)));
}

}  // namespace weft
