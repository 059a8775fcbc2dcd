#include "weft/groups/sine_group.h"

#include <cmath>
#include <numbers>
#include <numeric>

#include "weft/core/error.h"

namespace weft {
namespace {

constexpr std::int64_t largest_shift = 3;

/// The widths of the hidden layers.
std::vector<std::int64_t> hidden_widths(const Space& space) {
  const auto& tensors = space.tensors();
  std::vector<std::int64_t> widths;
  const auto refuse = [&] {
    throw UsageError("[sine_group] networks of '{}'; allowed: weights and biases of dense layers, W1 b1 W2 b2 …",
                     space.str());
  };
  if (tensors.size() < 4 || tensors.size() % 2) refuse();
  for (std::size_t t = 0; t < tensors.size(); t += 2) {
    if (tensors[t].axes.size() != 2 || tensors[t + 1].axes.size() != 1 || tensors[t].taps() != 1) refuse();
    const Shape weight = space.axes_shape(static_cast<int>(t)), bias = space.axes_shape(static_cast<int>(t) + 1);
    if (bias[0] != weight[0] || (t > 0 && weight[1] != widths.back())) refuse();
    widths.push_back(weight[0]);
  }
  widths.pop_back();
  return widths;
}

}  // namespace

SineElement SineElement::random(const Space& space, double omega, const SineMoves& moves, RandomKey key) {
  SineElement element;
  for (const std::int64_t width : hidden_widths(space)) {
    const RandomKey own = key.at(element.layers_.size());
    const auto n = static_cast<std::size_t>(width);
    Layer layer{.order = std::vector<std::int32_t>(n),
                .incoming = std::vector<double>(n, 1),
                .bias = std::vector<double>(n, 1),
                .shift = std::vector<double>(n, 0),
                .outgoing = std::vector<double>(n, 1)};
    std::iota(layer.order.begin(), layer.order.end(), 0);
    if (moves.permute) layer.order = permutation(width, own.at("order"));
    for (std::size_t i = 0; i < n; ++i) {
      if (moves.flip && uniform_index(own.at("flips"), i, 2) == 1) {
        layer.incoming[i] = -1;
        if (moves.whole_flips) layer.bias[i] = layer.outgoing[i] = -1;
      }
      if (!moves.shift) continue;
      const std::int64_t m = uniform_index(own.at("shifts"), i, 2 * largest_shift + 1) - largest_shift;
      layer.shift[i] = static_cast<double>(m) * moves.shift_by * std::numbers::pi / omega;
      if (m % 2 != 0) layer.outgoing[i] = -layer.outgoing[i];
    }
    element.layers_.push_back(std::move(layer));
  }
  return element;
}

std::vector<Tensor> SineElement::operator()(std::span<const Tensor> weights) const {
  if (weights.size() != 2 * layers_.size() + 2)
    throw ShapeError("[sine_group] {} tensors for {} hidden layers; allowed: a weight and a bias for each layer",
                     weights.size(), layers_.size());
  std::vector<Tensor> moved;
  for (std::size_t t = 0; t < weights.size(); ++t) {
    const std::size_t l = t / 2;
    const Layer *rows = l < layers_.size() ? &layers_[l] : nullptr, *columns = l > 0 ? &layers_[l - 1] : nullptr;
    const bool bias = t % 2 == 1;
    const Tensor from = weights[t].to(DType::f64), to = Tensor::zeros(from.shape(), DType::f64);
    const std::int64_t m = from.dim(2), n = bias ? 1 : from.dim(3), networks = from.dim(0);
    for (std::int64_t b = 0; b < networks; ++b)
      for (std::int64_t i = 0; i < m; ++i)
        for (std::int64_t j = 0; j < n; ++j) {
          const auto r = static_cast<std::size_t>(i), c = static_cast<std::size_t>(j);
          const std::int64_t row = rows ? rows->order[r] : i, column = columns && !bias ? columns->order[c] : j;
          double x = from.data<double>()[(b * m + row) * n + column];
          if (rows) x = bias ? rows->bias[r] * x + rows->shift[r] : rows->incoming[r] * x;
          if (columns && !bias) x *= columns->outgoing[c];
          to.data<double>()[(b * m + i) * n + j] = x;
        }
    moved.push_back(to.to(weights[t].dtype()));
  }
  return moved;
}

}  // namespace weft
