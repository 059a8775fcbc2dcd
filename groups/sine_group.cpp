#include "weft/groups/sine_group.h"

#include <cmath>
#include <numbers>
#include <numeric>

#include <fmt/ranges.h>

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

bool is_permutation(const std::vector<std::int32_t>& order) {
  std::vector<bool> seen(order.size());
  for (const std::int32_t i : order) {
    if (i < 0 || static_cast<std::size_t>(i) >= order.size() || seen[static_cast<std::size_t>(i)]) return false;
    seen[static_cast<std::size_t>(i)] = true;
  }
  return true;
}

std::span<const SinePart> checked(const Space& space, std::span<const SinePart> parts) {
  const std::vector<std::int64_t> widths = hidden_widths(space);
  if (parts.size() != widths.size())
    throw ShapeError("[sine_group] {} parts for {} hidden layers; allowed: one for each", parts.size(), widths.size());
  for (std::size_t l = 0; l < widths.size(); ++l) {
    const auto& [order, flip, shift] = parts[l];
    const auto width = static_cast<std::size_t>(widths[l]);
    if (order.size() != width || flip.size() != width || shift.size() != width)
      throw ShapeError("[sine_group] hidden layer {}: {} in the order, {} flips, {} shifts; allowed: {} of each", l + 1,
                       order.size(), flip.size(), shift.size(), width);
    if (!is_permutation(order))
      throw UsageError("[sine_group] hidden layer {}: order {}; allowed: each of 0 to {} once", l + 1,
                       fmt::join(order, " "), width - 1);
    for (const std::int32_t f : flip)
      if (f != 1 && f != -1) throw UsageError("[sine_group] hidden layer {}: flip {}; allowed: 1, -1", l + 1, f);
  }
  return parts;
}

SinePart random_part(std::int64_t width, const SineMoves& moves, RandomKey key) {
  const auto n = static_cast<std::size_t>(width);
  SinePart part{std::vector<std::int32_t>(n), std::vector<std::int32_t>(n, 1), std::vector<std::int32_t>(n, 0)};
  std::iota(part.order.begin(), part.order.end(), 0);
  if (moves.permute) part.order = permutation(width, key.at("order"));
  for (std::size_t i = 0; i < n; ++i) {
    if (moves.flip && uniform_index(key.at("flips"), i, 2) == 1) part.flip[i] = -1;
    if (moves.shift)
      part.shift[i] =
          static_cast<std::int32_t>(uniform_index(key.at("shifts"), i, 2 * largest_shift + 1) - largest_shift);
  }
  return part;
}

}  // namespace

SineElement::SineElement(const Space& space, double omega, std::span<const SinePart> parts)
    : SineElement(checked(space, parts), omega, 1, true) {}

SineElement SineElement::random(const Space& space, double omega, const SineMoves& moves, RandomKey key) {
  std::vector<SinePart> parts;
  for (const std::int64_t width : hidden_widths(space))
    parts.push_back(random_part(width, moves, key.at(parts.size())));
  return SineElement(parts, omega, moves.shift_by, moves.whole_flips);
}

SineElement::SineElement(std::span<const SinePart> parts, double omega, double shift_by, bool whole_flips) {
  if (!std::isfinite(omega) || omega == 0)
    throw UsageError("[sine_group] omega {}; allowed: a finite number that is not 0", omega);
  for (const SinePart& part : parts) {
    Layer layer{.order = part.order, .incoming = {}, .bias = {}, .shift = {}, .outgoing = {}};
    for (std::size_t i = 0; i < part.order.size(); ++i) {
      const double flip = part.flip[i], along = whole_flips ? flip : 1;
      layer.incoming.push_back(flip);
      layer.bias.push_back(along);
      layer.shift.push_back(part.shift[i] * shift_by * std::numbers::pi / omega);
      layer.outgoing.push_back(part.shift[i] % 2 != 0 ? -along : along);
    }
    layers_.push_back(std::move(layer));
  }
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
