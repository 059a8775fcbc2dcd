#pragma once
// Interpolation between nodes, compiled once per instruction set. Internal to nfn/linear.

#include <cstdint>

namespace weft::linear {

/// Nodes stand at (first + i) / per_unit for i = 0, 1, …; per_unit is a power of two, so that their places are exact.
struct Grid {
  float per_unit = 0;
  std::int64_t first = 0;
};

inline constexpr std::int64_t points = 8;        ///< nodes that a weight reads
inline constexpr std::int64_t points_below = 3;  ///< of them, those before the last node that is not above the weight

struct InterpolationKernels {
  /// y[i, w] = Σ_j c_j(x_w) at_nodes[node_w + j, i] for i < e and w < n, with Lagrange's polynomials c_j. Rows of
  /// at_nodes are `row` apart, a multiple of 16, those of y y_stride.
  void (*values)(const Grid& grid, const float* x, std::int64_t n, const float* at_nodes, std::int64_t row,
                 std::int64_t e, float* y, std::int64_t y_stride);
  /// The adjoint: at_nodes[node_w + j, i] += c_j(x_w) gy[i, w]. Spoils the numbers behind a row's first e.
  void (*adjoint)(const Grid& grid, const float* x, std::int64_t n, const float* gy, std::int64_t gy_stride,
                  std::int64_t e, float* at_nodes, std::int64_t row);
};

}  // namespace weft::linear
