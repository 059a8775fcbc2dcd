#pragma once
// The table of kernels of one instruction set for small convolutional networks (networks/cnn/cnn_population.cpp). All
// are run by the calling thread on a few images of one network. Channels are the fastest axis and padded to whole
// multiples of channel_lanes, so that one position is one AVX-512 register for the usual 16 channels; padding holds
// zeros.

#include <cstdint>

#include "weft/networks/population/product_kernels.h"

namespace weft {

/// Consecutive inputs of a position and the rows of the weight matrix that they meet: x[x + j] with w[w + j].
struct TapRun {
  std::int32_t x, w;
};

/// y[r] = act(bias + Σ_run Σ_{j < length} x[x_offsets[r] + run.x + j] w[run.w + j]) for `rows` positions r, whose
/// results of `width` channels go to y + y_offsets[r]. A convolution, a dense layer, and a convolution's gradient by
/// its input (positions grouped by the taps that reach them) are all of this form.
struct TapProduct {
  std::int64_t rows;
  const float* x;
  const std::int32_t *x_offsets, *y_offsets;
  const TapRun* runs;
  std::int64_t run_count, length;
  const float* w;     ///< [.., width]
  const float* bias;  ///< [width] or null
  float* y;
  std::int64_t width;  ///< a multiple of channel_lanes
  bool relu;           ///< max(0, y), NaN kept
};

/// gw[run.w + j] += Σ_r x[x_offsets[r] + run.x + j] gy[r], gb += Σ_r gy[r]: a convolution's gradient by its weights.
struct TapGradient {
  std::int64_t rows;
  const float* x;
  const std::int32_t* x_offsets;
  const TapRun* runs;
  std::int64_t run_count, length;
  const float* gy;  ///< [rows, width]
  float* gw;        ///< [.., width]
  float* gb;        ///< [width]
  std::int64_t width;
};

/// Philox blocks as core/random.h draws them for RandomKey{seed, purpose}.
struct RandomWords {
  std::uint64_t seed, purpose, first_block;
};

struct CnnKernels {
  void (*product)(const TapProduct&);
  void (*gradient)(const TapGradient&);
  void (*tanh)(float* y, std::int64_t n);
  /// words: [blocks, 4]
  void (*random_words)(const RandomWords& from, std::int64_t blocks, std::uint32_t* words);
  /// y = scale y where byte >= threshold, else 0.
  void (*drop)(float* y, const std::uint8_t* bytes, std::int32_t threshold, float scale, std::int64_t n);
  /// g *= scale act'(z) for y = scale act(z) or, where dropout took it, 0. ReLU needs no bytes: a positive y was kept.
  void (*relu_vjp)(const float* y, float scale, float* g, std::int64_t n);
  void (*tanh_vjp)(const float* y, float* g, std::int64_t n);
  void (*tanh_drop_vjp)(const float* y, const std::uint8_t* bytes, std::int32_t threshold, float scale, float* g,
                        std::int64_t n);
  /// -log softmax(z)[label]; z: [width], of which `classes` count, becomes scale (softmax(z) - onehot), else 0.
  float (*cross_entropy)(float* z, std::int64_t classes, std::int64_t width, std::int32_t label, float scale);
  /// to[i to_stride + j] = from[j from_stride + i] for i < rows, j < columns.
  void (*transpose)(const float* from, std::int64_t from_stride, std::int64_t rows, std::int64_t columns, float* to,
                    std::int64_t to_stride);
};

}  // namespace weft
