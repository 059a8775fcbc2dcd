#include "weft/nfn/models/inr_editor.h"

#include "weft/core/loop.h"
#include "weft/groups/derive.h"
#include "weft/nfn/models/position_bodies.h"
#include "weft/ops/contract.h"
#include "weft/ops/pointwise.h"
#include "weft/ops/view.h"

namespace weft {
namespace {

/// The list of spec 4.1 without sign terms, which every group of hidden neurons allows.
std::string monomial_linear(const std::vector<std::int64_t>& widths) {
  const Space space = mlp_space(widths, FactorKind::positive_monomial);
  return derive_linear(space, space);
}

/// The list of NP: that of permuted ends, which fixed ones allow.
std::string np_linear(const std::vector<std::int64_t>& widths) {
  const Space space = mlp_space(widths, FactorKind::permutation).with_kind(FactorKind::fixed, FactorKind::permutation);
  return derive_linear(space, space, {.means = true});
}

}  // namespace

InrEditor::InrEditor(const Config& c, const Module& as)
    : Module(as),
      space_(mlp_space(c.widths, FactorKind::permutation)),
      lift_(*this, "lift", space_, space_, monomial_linear(c.widths), 1, c.lift),
      equivariant_(*this, "E", space_, c.lift, c.lift, false),
      mix_(*this, "mix", space_, space_, monomial_linear(c.widths), c.lift, c.mixed),
      frequencies_(add_parameter("frequencies", {c.frequencies, c.mixed}, Init::normal(c.deviation), false)),
      scale_(*this, "scale", space_) {
  if (c.layers < 1) throw UsageError("[inr_editor] {} layers; allowed: at least 1", c.layers);
  const std::string np = np_linear(c.widths);
  for (int i = 0; i <= c.layers; ++i)
    layers_.emplace_back(*this, "layers." + std::to_string(i), space_, space_, np, i == 0 ? 2 * c.frequencies : c.d,
                         i == c.layers ? 1 : c.d);
}

Var InrEditor::encoded(const Var& x, const SpaceTensor& tensor) const {
  Tape& tape = x.tape();
  const bool matrix = x.type().size() == 2;
  const Var phase = contract(matrix ? "bcij,mc->bmij" : "bci,mc->bmi", x, on(tape, frequencies_));
  constexpr double two_pi = 6.283185307179586476925;
  const Var parts[] = {sin(phase, two_pi), cos(phase, two_pi)};
  const Var y = concat(parts, 1);
  // Rows and columns that are neurons of an end have positions.
  auto fixed = [&](std::size_t axis) {
    return !space_.factors()[static_cast<std::size_t>(tensor.axes[axis].factor)].kind->moves();
  };
  const bool by_row = fixed(0), by_column = matrix && fixed(1);
  if (!by_row && !by_column) return y;
  const Tensor positions = tape.empty(y.shape(), y.dtype());
  const std::int64_t channels = y.shape()[1], rows = y.shape()[2], columns = matrix ? y.shape()[3] : 1;
  with_float(y.dtype(), "inr_editor", [&](auto t) {
    using T = decltype(t);
    loop(tape.backend(), positions.numel(), 1024,
         Positions<T>{positions.address<T>(), channels, rows, columns, by_row, by_column});
  });
  return add(y, tape.constant(positions, y.type()));
}

Features InrEditor::operator()(const Features& x) const {
  const Features mixed = mix_(equivariant_(lift_(x)));
  const std::span<Var> waves = x.tape().variables(mixed.vars().size());
  for (std::size_t t = 0; t < waves.size(); ++t) waves[t] = encoded(mixed.vars()[t], space_.tensors()[t]);
  Features y = layers_[0]({space_, waves});
  for (std::size_t i = 1; i < layers_.size(); ++i) y = layers_[i](y, {.activation = UnaryOp::Relu});
  return x + scale_(y);
}

}  // namespace weft
