#pragma once
// Outputs of networks, and how far those of two are apart.

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "weft/core/tensor.h"
#include "weft/groups/space.h"

namespace weft::equivalence {

/// evaluate_network() on each of several inputs of one shape, as fast as can be.
std::vector<Tensor> outputs(const Space& space, std::span<const Tensor> weights, std::span<const Tensor> inputs);

/// Euclidean norms over all numbers of two outputs: of their difference, and the larger one of the outputs' own.
struct OutputChange {
  double change = 0, size = 0;

  bool finite() const { return std::isfinite(change) && std::isfinite(size); }
  /// The distance of the outputs: a metric (docs/equivalence.md).
  double relative() const { return change == 0 ? 0 : change / size; }
};

inline OutputChange output_change(const Tensor& a, const Tensor& b) {
  double change = 0, size_a = 0, size_b = 0;
  for (std::int64_t i = 0; i < a.numel(); ++i) {
    const double x = a.data<double>()[i], y = b.data<double>()[i];
    change = std::hypot(change, x - y);
    size_a = std::hypot(size_a, x);
    size_b = std::hypot(size_b, y);
  }
  return {change, std::isnan(size_a) ? size_a : std::max(size_a, size_b)};
}

}  // namespace weft::equivalence
