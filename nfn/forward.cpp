#include "weft/nfn/forward.h"

#include <cmath>

#include "weft/ops/contract.h"
#include "weft/ops/pointwise.h"
#include "weft/ops/rows.h"

namespace weft {
namespace {

void check_weights(const char* who, std::span<const Var> weights) {
  if (weights.size() < 2 || weights.size() % 2)
    throw ShapeError("[{}] {} tensors; allowed: a weight and a bias per layer", who, weights.size());
}

}  // namespace

Var mlp_forward(std::span<const Var> weights, Var x, UnaryOp act, std::optional<double> p) {
  check_weights("mlp_forward", weights);
  for (std::size_t i = 0; i < weights.size(); i += 2) {
    x = contract(x.shape().rank() == 2 ? "ni,bcoi+bco->bcno" : "bcni,bcoi+bco->bcno", x, weights[i], weights[i + 1]);
    if (i + 2 < weights.size()) x = unary(act, x, p);
  }
  return x;
}

Var cnn_forward(std::span<const Var> weights, std::span<const PatchShape> layers, Var x, UnaryOp act,
                const std::function<Var(std::size_t layer, const Var& y)>& after) {
  check_weights("cnn_forward", weights);
  if (weights.size() < 2 * layers.size() + 2)
    throw ShapeError("[cnn_forward] {} tensors for {} convolutions; allowed: two each, and at least one dense layer",
                     weights.size(), layers.size());
  if (x.shape().rank() != 5)
    throw ShapeError("[cnn_forward] images of shape {}; allowed: [B, n, C, H, W]", x.shape().str());
  const std::int64_t B = x.shape()[0], n = x.shape()[1];
  std::size_t at = 0;
  for (const PatchShape& layer : layers) {
    const std::int64_t C = x.shape()[2], H = x.shape()[3], W = x.shape()[4];
    const Var taps = patches(reshape(x, {B * n, C, H, W}), layer);
    const std::int64_t rows = (H + 2 * layer.padding - layer.rows) / layer.stride + 1, columns = taps.shape()[1] / rows;
    const Var bias = reshape(weights[at + 1], {B, weights[at + 1].shape()[2]});
    const Var y = contract("bnpit,btoi+bo->bnop", reshape(taps, {B, n, rows * columns, C, layer.rows * layer.columns}),
                           weights[at], bias);
    x = unary(act, reshape(y, {B, n, y.shape()[2], rows, columns}));
    if (after) x = after(at / 2, x);
    at += 2;
  }
  const std::int64_t C = x.shape()[2];
  x = reshape(mean(reshape(x, {B, n, C, x.shape()[3] * x.shape()[4]})), {B, 1, n, C});
  x = mlp_forward(weights.subspan(at), x, act);
  return reshape(x, {B, n, x.shape()[3]});
}

Var attention_forward(const Var& x, const Var& q, const Var& k, const Var& v, const Var& o) {
  const Var queries = contract("bcnp,bchpk->bchnk", x, q), keys = contract("bcnp,bchpk->bchnk", x, k);
  const double scale_by = 1 / std::sqrt(static_cast<double>(q.shape()[4]));
  const Var weights = softmax(scale(contract("bchnk,bchmk->bchnm", queries, keys), scale_by));
  const Var values = contract("bcmp,bchpv->bchmv", x, v);
  return contract("bchnv,bchvj->bcnj", contract("bchnm,bchmv->bchnv", weights, values), o);
}

Var transformer_block_forward(std::span<const Var> block, const Var& x, bool residual,
                              const std::function<Var(std::size_t place, const Var& y)>& after) {
  if (block.size() != transformer_block_tensors)
    throw ShapeError("[transformer_block_forward] {} tensors; allowed: WQ WK WV WO WA bA WB bB", block.size());
  Var y = attention_forward(layer_norm(x), block[0], block[1], block[2], block[3]);
  if (after) y = after(0, y);
  if (residual) y = add(x, y);
  const Var hidden = relu(contract("bcnp,bcpk+bck->bcnk", layer_norm(y), block[4], block[5]));
  Var out = contract("bcnk,bckj+bcj->bcnj", hidden, block[6], block[7]);
  if (after) out = after(1, out);
  return residual ? add(y, out) : out;
}

Var transformer_forward(std::span<const Var> weights, Var x, bool residual,
                        const std::function<Var(std::size_t place, const Var& y)>& after) {
  if (weights.size() % transformer_block_tensors != 4)
    throw ShapeError("[transformer_forward] {} tensors; allowed: eight of each block, and W1 b1 W2 b2", weights.size());
  for (std::size_t place = 0; weights.size() > 4; place += 2, weights = weights.subspan(transformer_block_tensors))
    x = transformer_block_forward(weights.first(transformer_block_tensors), x, residual,
                                  [&](std::size_t at, const Var& y) { return after ? after(place + at, y) : y; });
  const std::int64_t B = x.shape()[0], n = x.shape()[2];
  const Tensor part = x.tape().empty({B, 1, 1, n}, x.value().dtype());
  part.fill(1 / static_cast<double>(n));
  const Var pooled = contract("bcot,bctm->bcom", x.tape().constant(part), layer_norm(x));
  const Var y = mlp_forward(weights, pooled, UnaryOp::Relu);
  return reshape(y, {B, y.shape()[3]});
}

std::vector<Var> repeated_weights(std::span<const Var> weights, std::int64_t n) {
  const std::int64_t B = weights[0].shape()[0];
  const Tensor ones = weights[0].tape().empty({B, n, 1}, weights[0].value().dtype());
  ones.fill(1);
  const Var times = weights[0].tape().constant(ones);
  std::vector<Var> copies;
  for (const Var& w : weights) {
    std::vector<std::int64_t> sizes(w.shape().sizes().begin(), w.shape().sizes().end());
    sizes[0] = B * n;
    copies.push_back(reshape(contract("bno,box->bnx", times, reshape(w, {B, 1, w.shape().numel() / B})), Shape(sizes)));
  }
  return copies;
}

}  // namespace weft
