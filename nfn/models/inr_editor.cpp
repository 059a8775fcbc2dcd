#include "weft/nfn/models/inr_editor.h"

#include <utility>

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
  const Space space = mlp_space(widths, Kind::positive_monomial);
  return derive_linear(space, space);
}

/// The list of NP: that of permuted ends, which fixed ones allow.
std::string np_linear(const std::vector<std::int64_t>& widths) {
  const Space space = mlp_space(widths, Kind::permutation).with_kind(Kind::fixed, Kind::permutation);
  return derive_linear(space, space, {.means = true});
}

}  // namespace

InrEditor::InrEditor(Parameters& parameters, const Config& c)
    : space_(mlp_space(c.widths, Kind::permutation)),
      lift_(parameters, "lift", space_, space_, monomial_linear(c.widths), 1, c.lift),
      equivariant_(parameters, "E", space_, c.lift, c.lift, false),
      mix_(parameters, "mix", space_, space_, monomial_linear(c.widths), c.lift, c.mixed),
      frequencies_(parameters.add("frequencies", {c.frequencies, c.mixed}, Init::normal(c.deviation), false)),
      scale_(parameters, "scale", space_) {
  if (c.layers < 1) throw UsageError("[inr_editor] {} layers; allowed: at least 1", c.layers);
  const std::string np = np_linear(c.widths);
  for (int i = 0; i <= c.layers; ++i)
    layers_.emplace_back(parameters, "layers." + std::to_string(i), space_, space_, np,
                         i == 0 ? 2 * c.frequencies : c.d, i == c.layers ? 1 : c.d);
}

Var InrEditor::encoded(const Parameters& parameters, const Var& x, std::size_t feature) const {
  Tape& tape = x.tape();
  const bool matrix = x.type().size() == 2;
  const Var phase = contract(matrix ? "bcij,mc->bmij" : "bci,mc->bmi", x, parameters.on(tape, frequencies_));
  constexpr double two_pi = 6.283185307179586476925;
  const Var parts[] = {sin(phase, two_pi), cos(phase, two_pi)};
  const Var y = concat(parts, 1);
  // Rows and columns that are neurons of an end have positions.
  const SpaceTensor& tensor = space_.tensors()[feature];
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

void InrEditor::operator()(const Parameters& parameters, std::span<const Var> x, std::span<Var> y) const {
  const std::size_t n = space_.tensors().size();
  if (x.size() != n || y.size() != n)
    throw ShapeError("[inr_editor] {} features, {} outputs; allowed: {} of each", x.size(), y.size(), n);
  Tape& tape = x[0].tape();
  std::span<Var> now = tape.variables(n), next = tape.variables(n);
  lift_(parameters, x, now);
  equivariant_(parameters, now, next);
  mix_(parameters, next, now);
  for (std::size_t f = 0; f < n; ++f) now[f] = encoded(parameters, now[f], f);
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    LayerInput input;
    if (i > 0) input.activation = UnaryOp::Relu;
    layers_[i](parameters, now, next, input);
    std::swap(now, next);
  }
  scale_(parameters, now, next);
  for (std::size_t f = 0; f < n; ++f) y[f] = add(x[f], next[f]);
}

}  // namespace weft
