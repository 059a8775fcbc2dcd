// Inputs and outputs of the networks of a space: which forward pass it is that a space describes.

#include "weft/nfn/forward.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "weft/core/error.h"
#include "weft/ops/contract.h"
#include "weft/ops/pointwise.h"
#include "weft/ops/rows.h"
#include "weft/symmetry/internal/outputs.h"
#include "weft/symmetry/network.h"

namespace weft {
namespace {

constexpr std::int64_t items = 8, tokens = 5, pixels = 3;  // pixels of the smallest feature map's side

/// A chain of dense or convolutional layers.
struct Chain {
  std::vector<PatchShape> convolutions;
  std::int64_t inputs = 0, side = 0;
  UnaryOp activation = UnaryOp::Relu;
};

struct Blocks {
  TransformerShape shape{};
  bool residual = false;
  std::optional<TransformerEnds> ends;
};

std::optional<Chain> chain_of(const Space& space) {
  const auto& tensors = space.tensors();
  if (tensors.size() < 4 || tensors.size() % 2 || tensors[0].axes.size() != 2) return {};
  std::vector<std::int64_t> widths{space.axes_shape(0)[1]};
  std::vector<std::array<std::int64_t, 2>> taps;
  for (std::size_t i = 0; i < tensors.size(); i += 2) {
    if (tensors[i].axes.size() != 2) return {};
    widths.push_back(space.axes_shape(static_cast<int>(i))[0]);
    taps.push_back({tensors[i].tap_rows, tensors[i].tap_columns});
  }
  const FactorKind kind = space.factors()[static_cast<std::size_t>(tensors[0].axes[0].factor)].kind;
  if (kind->scales == Scales::any) return {};
  // Names of factors are free, and their order; names of tensors, their axes and taps must be the chain's.
  const Space wanted = cnn_space(widths, taps, kind);
  for (std::size_t t = 0; t < tensors.size(); ++t) {
    if (tensors[t].name != wanted.tensors()[t].name || tensors[t].axes.size() != wanted.tensors()[t].axes.size())
      return {};
    for (std::size_t i = 0; i < tensors[t].axes.size(); ++i) {
      const Factor &f = space.factors()[static_cast<std::size_t>(tensors[t].axes[i].factor)],
                   &g = wanted.factors()[static_cast<std::size_t>(wanted.tensors()[t].axes[i].factor)];
      if (f.kind != g.kind || f.size != g.size || !f.per.empty() || !tensors[t].axes[i].characters.empty()) return {};
    }
  }
  Chain chain{{}, widths[0], pixels, UnaryOp::Relu};
  chain.activation = kind->has_magnitudes() ? UnaryOp::Relu : kind->has_signs() ? UnaryOp::Tanh : UnaryOp::Gelu;
  for (const auto& [rows, columns] : taps)
    if (rows * columns > 1) {
      if (chain.convolutions.size() + 1 == taps.size()) return {};  // no dense layer is left
      chain.convolutions.push_back({rows, columns});
      chain.side += std::max(rows, columns) - 1;
    }
  for (std::size_t i = 0; i < chain.convolutions.size(); ++i)
    if (taps[i][0] * taps[i][1] == 1) return {};  // a convolution behind a dense layer
  return chain;
}

std::optional<Blocks> blocks_of(const Space& space) {
  const int first = space.find_tensor("WQ"), numbered = space.find_tensor("WQ.0");
  if (first < 0 && numbered < 0) return {};
  const std::string suffix = first < 0 ? ".0" : "";
  Blocks out;
  for (const char* name : {"WV", "WA"})
    if (space.find_tensor(name + suffix) < 0) return {};
  const Shape q = space.axes_shape(space.tensor("WQ" + suffix)), v = space.axes_shape(space.tensor("WV" + suffix)),
              wa = space.axes_shape(space.tensor("WA" + suffix));
  if (q.rank() != 3 || v.rank() != 3 || wa.rank() != 2) return {};
  out.shape = {q[1], wa[1], q[0], q[2], v[2], 1};
  while (first < 0 && space.find_tensor("WQ." + std::to_string(out.shape.blocks)) >= 0) ++out.shape.blocks;
  for (const bool residual : {false, true})
    if (space == transformer_space(out.shape, residual)) {
      out.residual = residual;
      return out;
    }
  const int w1 = space.find_tensor("W1"), w2 = space.find_tensor("W2"), we = space.find_tensor("WE");
  if (w1 < 0 || w2 < 0 || out.shape.blocks < 2) return {};
  out.ends = {we < 0 ? 0 : space.axes_shape(we)[0], space.axes_shape(w1)[0], space.axes_shape(w2)[0]};
  if (space == transformer_network_space(out.shape, *out.ends)) return out;
  return {};
}

/// x + the sinusoidal positions of spec 6.1. x: [1, 1, n, D].
Var with_positions(Tape& tape, const Var& x) {
  const std::int64_t n = x.shape()[2], D = x.shape()[3];
  const Tensor p = Tensor::zeros(x.shape(), DType::f64);
  for (std::int64_t t = 0; t < n; ++t)
    for (std::int64_t d = 0; d < D; ++d) {
      const double angle =
          static_cast<double>(t) / std::pow(10000., static_cast<double>(d / 2 * 2) / static_cast<double>(D));
      p.data<double>()[t * D + d] = d % 2 ? std::cos(angle) : std::sin(angle);
    }
  return add(x, tape.constant(p));
}

Var run_blocks(const Space& space, const Blocks& b, std::span<const Var> w, Var x, Tape& tape) {
  auto at = [&](const std::string& name) { return w[static_cast<std::size_t>(space.tensor(name))]; };
  if (b.ends && b.ends->patch > 0) x = contract("bcne,bcem+bcm->bcnm", x, at("WE"), at("bE"));
  if (b.ends) x = with_positions(tape, x);
  const auto start = static_cast<std::size_t>(space.tensor(b.shape.blocks > 1 ? "WQ.0" : "WQ"));
  for (int i = 0; i < b.shape.blocks; ++i)
    x = transformer_block_forward(w.subspan(start + 8 * static_cast<std::size_t>(i), 8), x, b.residual);
  if (!b.ends) return x;
  const std::int64_t n = x.shape()[2];
  const Tensor share = Tensor::zeros({1, 1, 1, n}, DType::f64);
  share.fill(1 / static_cast<double>(n));
  const Var pooled = contract("bcin,bcnm->bcim", tape.constant(share), layer_norm(x));
  const Var classifier[] = {at("W1"), at("b1"), at("W2"), at("b2")};
  return mlp_forward(classifier, pooled, UnaryOp::Relu);
}

Shape with_size(const Shape& shape, int axis, std::int64_t size) {
  std::vector<std::int64_t> sizes(shape.sizes().begin(), shape.sizes().end());
  sizes[static_cast<std::size_t>(axis)] = size;
  return Shape(sizes);
}

/// `inputs` of one shape as one, along the axis of their items.
Tensor joined(std::span<const Tensor> inputs, int axis) {
  const Shape& one = inputs[0].shape();
  const Tensor out =
      Tensor::zeros(with_size(one, axis, one[axis] * static_cast<std::int64_t>(inputs.size())), DType::f64);
  double* to = out.data<double>();
  for (const Tensor& x : inputs) to = std::copy_n(x.data<double>(), x.numel(), to);
  return out;
}

}  // namespace

std::vector<Tensor> equivalence::outputs(const Space& space, std::span<const Tensor> weights,
                                         std::span<const Tensor> inputs) {
  std::vector<Tensor> out;
  const auto chain = chain_of(space);
  if (!chain) {
    for (const Tensor& x : inputs) out.push_back(evaluate_network(space, weights, x));
    return out;
  }
  const int axis = chain->convolutions.empty() ? 2 : 1;  // all before it have size 1
  const Tensor all = evaluate_network(space, weights, joined(inputs, axis));
  const Shape shape = with_size(all.shape(), axis, all.shape()[axis] / static_cast<std::int64_t>(inputs.size()));
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    out.push_back(Tensor::zeros(shape, DType::f64));
    std::copy_n(all.data<double>() + static_cast<std::int64_t>(i) * shape.numel(), shape.numel(),
                out.back().data<double>());
  }
  return out;
}

std::optional<Tensor> random_input(const Space& space, RandomKey key, double scale) {
  Shape shape;
  if (const auto chain = chain_of(space))
    shape = chain->convolutions.empty() ? Shape{1, 1, items, chain->inputs}
                                        : Shape{1, items, chain->inputs, chain->side, chain->side};
  else if (const auto blocks = blocks_of(space); blocks && !blocks->residual)
    shape = {1, 1, tokens, blocks->ends && blocks->ends->patch > 0 ? blocks->ends->patch : blocks->shape.D};
  else
    return {};
  const Tensor x = Tensor::zeros(shape, DType::f64);
  fill_normal(x, key, 0, scale);
  return x;
}

Tensor evaluate_network(const Space& space, std::span<const Tensor> weights, const Tensor& x) {
  Arena arena;
  Tape tape(arena);
  std::vector<Var> w;
  for (const Tensor& t : weights) w.push_back(tape.constant(t.to(DType::f64)));
  const Var input = tape.constant(x.to(DType::f64));
  if (const auto chain = chain_of(space))
    return (chain->convolutions.empty() ? mlp_forward(w, input, chain->activation)
                                        : cnn_forward(w, chain->convolutions, input, chain->activation))
        .value()
        .clone();
  if (const auto blocks = blocks_of(space)) return run_blocks(space, *blocks, w, input, tape).value().clone();
  throw UsageError("[equivalence] no forward pass for the space '{}'; allowed: mlp, cnn and transformer spaces",
                   space.str());
}

}  // namespace weft
