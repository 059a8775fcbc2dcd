#pragma once
// The table of products of one instruction set for small networks, run by the calling thread on a few items of one
// network. Channels are the fastest axis and padded with zeros to whole multiples of `channel_lanes`, so that a row of
// 16 is one AVX-512 register.

#include <cstdint>

namespace weft {

inline constexpr std::int64_t channel_lanes = 16;

/// y[r, c] = act([y[r, c] +] [bias[c] +] Σ_j x[r, j] w[j, c]) for r < rows, j < depth, c < width.
struct RowsProduct {
  std::int64_t rows, depth, width;  ///< width: a multiple of channel_lanes
  const float* x;
  std::int64_t x_stride;
  const float* w;
  std::int64_t w_stride;
  const float* bias = nullptr;
  float* y;
  std::int64_t y_stride;
  bool add = false, relu = false;
};

/// g[j, c] = [g[j, c] +] Σ_r x[r, j] y[r, c] for j < depth, c < width: the gradient of such a product by its weights,
/// and the product with x transposed.
struct RowsGradient {
  std::int64_t rows, depth, width;
  const float* x;
  std::int64_t x_stride;
  const float* y;
  std::int64_t y_stride;
  float* g;
  std::int64_t g_stride;
  bool add = false;
};

struct ProductKernels {
  void (*product)(const RowsProduct&);
  void (*gradient)(const RowsGradient&);
  /// sums[c] += Σ_r x[r, c]
  void (*column_sums)(std::int64_t rows, std::int64_t width, const float* x, std::int64_t stride, float* sums);
};

}  // namespace weft
