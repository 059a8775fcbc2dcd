#pragma once
// The table of kernels of one instruction set for small transformers (networks/transformer/transformer_population.cpp),
// run by the calling thread on a few items of one network. Channels are the fastest axis and padded to whole multiples
// of channel_lanes (networks/population/product_kernels.h) with zeros. Scores are kept with the query as the fastest
// axis, so that the softmax over keys goes down columns and no sum runs across a register.

#include <cstdint>

namespace weft {

/// Rows of `channels` values, `stride` apart.
struct NormRows {
  std::int64_t rows, channels, stride;
};

struct TransformerKernels {
  /// y = (x - mean) s with s = 1 / sqrt(var + 1e-5), which goes to scales[r].
  void (*layer_norm)(const NormRows&, const float* x, float* y, float* scales);
  /// gx = [gx +] s (gy - mean(gy) - y mean(gy y)); gy is one row for all where gy_stride is 0.
  void (*layer_norm_vjp)(const NormRows&, const float* y, const float* scales, const float* gy, std::int64_t gy_stride,
                         float* gx, bool add);
  /// Every column of s [rows, width] becomes its softmax.
  void (*softmax)(std::int64_t rows, std::int64_t width, float* s);
  /// g = p (g - Σ_rows p g), column by column.
  void (*softmax_vjp)(std::int64_t rows, std::int64_t width, const float* p, float* g);
  void (*add)(float* y, const float* x, std::int64_t n);
};

}  // namespace weft
