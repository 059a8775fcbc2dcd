#include "weft/nfn/models/inr_editor.h"

#include "weft/core/constants.h"
#include "weft/core/loop.h"
#include "weft/nfn/models/position_bodies.h"
#include "weft/ops/contract.h"
#include "weft/ops/pointwise.h"
#include "weft/ops/view.h"

namespace weft {

InrEditor::InrEditor(const Config& c, const Module& as)
    : Module(as),
      signs_(c.kind == InrLayers::monomial),
      space_(mlp_space(c.widths, signs_ ? FactorKind::sign_monomial : FactorKind::permutation)),
      scale_(*this, "scale", space_) {
  if (c.layers < 0 || c.outputs < 1)
    throw UsageError("[inr_editor] {} layers between the first and the last, {} outputs; allowed: 0 or more, 1 or more",
                     c.layers, c.outputs);
  std::int64_t seen = 1;
  if (c.kind == InrLayers::magep) {
    const std::string linear = linear_terms(InrLayers::monomial, c.widths);
    lift_.emplace(*this, "lift", space_, space_, linear, 1, c.lift);
    equivariant_.emplace(*this, "E", space_, c.lift, c.lift, false);
    mix_.emplace(*this, "mix", space_, space_, linear, c.lift, c.mixed);
    seen = c.mixed;
  }
  frequencies_ = add_parameter("frequencies", {signs_ ? 2 * c.frequencies : c.frequencies, seen},
                               Init::normal(c.deviation), false);
  const std::string terms = linear_terms(c.kind == InrLayers::magep ? InrLayers::np : c.kind, c.widths);
  for (int i = 0; i <= c.layers; ++i)
    layers_.emplace_back(*this, "layers." + std::to_string(i), space_, space_, terms, i == 0 ? 2 * c.frequencies : c.d,
                         i == c.layers ? c.outputs : c.d);
}

Var InrEditor::encoded(const Var& x, const SpaceTensor& tensor) const {
  Tape& tape = x.tape();
  const bool matrix = x.type().size() == 2;
  const Var phase = contract(matrix ? "bcij,mc->bmij" : "bci,mc->bmi", x, on(tape, frequencies_));
  if (signs_) return sin(phase, two_pi<double>);
  const Var parts[] = {sin(phase, two_pi<double>), cos(phase, two_pi<double>)};
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
  const Features seen = lift_ ? (*mix_)((*equivariant_)((*lift_)(x))) : x;
  const std::size_t tensors = seen.vars().size();
  const std::span<Var> waves = x.tape().variables(tensors);
  for (std::size_t t = 0; t < tensors; ++t) waves[t] = encoded(seen.vars()[t], space_.tensors()[t]);
  Features y = layers_[0]({space_, waves});
  for (std::size_t i = 1; i < layers_.size(); ++i)
    y = layers_[i](y, {.activation = signs_ ? UnaryOp::Sin : UnaryOp::Relu});
  return with_update(x, scale_(y));
}

}  // namespace weft
