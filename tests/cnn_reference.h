#pragma once
// Networks, data and the reference for tests of populations of CNNs: the tape, in float64.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "weft/networks/cnn/cnn_population.h"
#include "weft/nfn/forward.h"
#include "weft/nn/losses.h"
#include "weft/ops/contract.h"
#include "weft/ops/pointwise.h"
#include "weft/ops/rows.h"
#include "weft/tests/population_reference.h"

namespace weft::testing {

inline const std::vector<CnnArchitecture> architectures{
    {},
    {.image_rows = 15, .image_columns = 11, .widths = {1, 16, 16, 10}, .kernels = {3, 3}, .activation = UnaryOp::Tanh},
    {.image_rows = 12, .image_columns = 13, .widths = {3, 8, 24, 7}, .kernels = {3, 3}},
    {.image_rows = 17, .image_columns = 14, .widths = {2, 5, 33, 4}, .kernels = {5, 2}, .stride = 3},
    {.image_rows = 9, .image_columns = 9, .widths = {3, 16, 10}, .kernels = {3}, .activation = UnaryOp::Tanh},
    // A stride beyond the kernel: positions that no tap reaches.
    {.image_rows = 22, .image_columns = 19, .widths = {1, 16, 32, 10}, .kernels = {2, 1}, .stride = 3},
};

inline Dataset noise_data(const CnnArchitecture& a, std::int64_t items, RandomKey key) {
  const Shape shape{items, a.widths[0], a.image_rows, a.image_columns};
  Dataset data{"noise", Tensor::zeros(shape, DType::f32), Tensor::zeros({items}, DType::i32), a.widths.back()};
  fill_uniform(data.images, key.at("images"), -1, 1);
  for (std::int64_t i = 0; i < items; ++i)
    data.labels.data<std::int32_t>()[i] =
        static_cast<std::int32_t>(uniform_index(key.at("labels"), static_cast<std::uint64_t>(i), data.classes));
  return data;
}

/// Dropout of cnn_population.h, spelled out: the factors of layer `layer` on its whole grid [1, n, C, rows, columns].
/// `used_rows` and `used_columns` are what the next layer reads.
inline Tensor dropout_factors(const Shape& shape, std::int64_t used_rows, std::int64_t used_columns,
                              const Dropout& dropout, std::uint64_t layer) {
  const RandomKey key = dropout.key.at(layer);
  const auto t = std::lround(256 * dropout.rate);
  const std::int64_t n = shape[1], C = shape[2], rows = shape[3], columns = shape[4], width = (C + 15) / 16 * 16;
  Tensor factors = Tensor::zeros(shape, DType::f64);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t r = 0; r < used_rows; ++r)
      for (std::int64_t c = 0; c < used_columns; ++c)
        for (std::int64_t channel = 0; channel < C; ++channel) {
          const auto value = static_cast<std::uint64_t>(((i * used_rows + r) * used_columns + c) * width + channel);
          const auto byte = random_byte(key, value);
          factors.data<double>()[((i * C + channel) * rows + r) * columns + c] =
              byte >= t ? 256. / static_cast<double>(256 - t) : 0.;
        }
  return factors;
}

/// cnn_forward with dropout.
inline Var forward_with_dropout(Tape& tape, std::span<const Var> weights, std::span<const PatchShape> layers, Var x,
                                UnaryOp act, const Dropout& dropout) {
  const std::int64_t n = x.shape()[1];
  std::vector<std::array<std::int64_t, 2>> used(layers.size());
  std::vector<Var> outputs;
  std::vector<std::array<std::int64_t, 2>> grid;
  std::int64_t rows = x.shape()[3], columns = x.shape()[4];
  for (const PatchShape& layer : layers) {
    rows = (rows - layer.rows) / layer.stride + 1;
    columns = (columns - layer.columns) / layer.stride + 1;
    grid.push_back({rows, columns});
  }
  used.back() = grid.back();
  for (std::size_t i = layers.size(); i-- > 1;)
    used[i - 1] = {(used[i][0] - 1) * layers[i].stride + layers[i].rows,
                   (used[i][1] - 1) * layers[i].stride + layers[i].columns};
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const std::int64_t C = x.shape()[2], H = x.shape()[3], W = x.shape()[4], taps = layers[i].rows * layers[i].columns;
    const Var columns_of =
        reshape(patches(reshape(x, {n, C, H, W}), layers[i]), {1, n, grid[i][0] * grid[i][1], C, taps});
    const Var bias = reshape(weights[2 * i + 1], {1, weights[2 * i + 1].shape()[2]});
    const Var y = unary(act, contract("bnpit,btoi+bo->bnop", columns_of, weights[2 * i], bias));
    x = reshape(y, {1, n, y.shape()[2], grid[i][0], grid[i][1]});
    x = mul(x, tape.constant(dropout_factors(x.shape(), used[i][0], used[i][1], dropout, i)));
  }
  const std::int64_t C = x.shape()[2];
  x = reshape(mean(reshape(x, {1, n, C, x.shape()[3] * x.shape()[4]})), {1, 1, n, C});
  x = mlp_forward(weights.subspan(2 * layers.size()), x, act, 1);
  return reshape(x, {1, n, x.shape()[3]});
}

/// On the tape, in float64.
inline Reference reference(const CnnArchitecture& a, const std::vector<Tensor>& weights, const Dataset& data,
                           const std::vector<std::int32_t>& items, const Dropout& dropout) {
  Arena arena;
  Tape tape(arena);
  std::vector<Var> vars;
  for (const Tensor& w : weights) vars.push_back(tape.leaf(w.to(DType::f64)));
  const auto n = static_cast<std::int64_t>(items.size());
  Tensor x = Tensor::zeros({1, n, data.channels(), data.rows(), data.columns()}, DType::f64);
  Tensor labels = Tensor::zeros({1, n}, DType::i32);
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int32_t item = items[static_cast<std::size_t>(i)];
    const Tensor image = data.images[item].to(DType::f64);
    std::memcpy(x.data<double>() + i * image.numel(), image.data<double>(), image.bytes());
    labels.data<std::int32_t>()[i] = data.labels.data<std::int32_t>()[item];
  }
  std::vector<PatchShape> layers;
  for (std::int64_t side : a.kernels) layers.push_back({side, side, a.stride, 0});
  const Var logits = dropout.rate > 0
                         ? forward_with_dropout(tape, vars, layers, tape.constant(x), a.activation, dropout)
                         : cnn_forward(vars, layers, tape.constant(x), a.activation);
  const Var loss = mean_all(cross_entropy(logits, labels));
  tape.backward(loss);
  Reference r{loss.value().data<double>()[0], 0, {}};
  const std::int64_t classes = logits.shape()[2];
  for (std::int64_t i = 0; i < n; ++i) {
    const double* z = logits.value().data<double>() + i * classes;
    r.accuracy += std::max_element(z, z + classes) - z == labels.data<std::int32_t>()[i];
  }
  r.accuracy /= static_cast<double>(n);
  for (const Var& v : vars) r.gradient.push_back(tape.grad(v).value().clone());
  return r;
}

}  // namespace weft::testing
