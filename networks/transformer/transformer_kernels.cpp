// Compiled once per instruction set.

#include "weft/networks/transformer/transformer_kernels.h"

#include "weft/core/math.h"
#include "weft/core/team.h"
#include "weft/ops/rows/layer_norm.h"

namespace weft::inline WEFT_ISA {

namespace {

void layer_norm(const NormRows& n, const float* x, float* y, float* scales) {
  for (std::int64_t r = 0; r < n.rows; ++r) {
    const float* from = x + r * n.stride;
    float* to = y + r * n.stride;
    const LayerNorm::Moments<float> m =
        LayerNorm::moments<float>(SerialTeam{}, DenseRow<const float>{from}, n.channels);
#pragma omp simd
    for (std::int64_t i = 0; i < n.stride; ++i) to[i] = i < n.channels ? m(from[i]) : 0.f;
    scales[r] = m.scale;
  }
}

void layer_norm_vjp(const NormRows& n, const float* y, const float* scales, const float* gy, std::int64_t gy_stride,
                    float* gx, bool add) {
  const SerialTeam team;
  const auto channels = static_cast<float>(n.channels);
  for (std::int64_t r = 0; r < n.rows; ++r) {
    const float *out = y + r * n.stride, *g = gy + r * gy_stride;
    float* to = gx + r * n.stride;
    const float mean = team.sum<float>(n.channels, [=](std::int64_t i) { return g[i]; }) / channels;
    const float along = team.sum<float>(n.channels, [=](std::int64_t i) { return g[i] * out[i]; }) / channels;
    const float scale = scales[r];
    if (add) {
#pragma omp simd
      for (std::int64_t i = 0; i < n.stride; ++i)
        to[i] += i < n.channels ? scale * (g[i] - mean - out[i] * along) : 0.f;
    } else {
#pragma omp simd
      for (std::int64_t i = 0; i < n.stride; ++i) to[i] = i < n.channels ? scale * (g[i] - mean - out[i] * along) : 0.f;
    }
  }
}

/// A column block of one register's width, or two.
constexpr std::int64_t block = 16;

void softmax(std::int64_t rows, std::int64_t width, float* s) {
  for (std::int64_t c = 0; c < width; c += block) {
    float* at = s + c;
    float largest[block], sum[block] = {};
    for (int i = 0; i < block; ++i) largest[i] = at[i];
    for (std::int64_t r = 1; r < rows; ++r)
#pragma omp simd
      for (int i = 0; i < block; ++i) {
        const float x = at[r * width + i];
        largest[i] = Larger{}(largest[i], x);
      }
    for (std::int64_t r = 0; r < rows; ++r)
#pragma omp simd
      for (int i = 0; i < block; ++i) {
        const float e = math::exp(at[r * width + i] - largest[i]);
        at[r * width + i] = e;
        sum[i] += e;
      }
#pragma omp simd
    for (int i = 0; i < block; ++i) sum[i] = 1.f / sum[i];
    for (std::int64_t r = 0; r < rows; ++r)
#pragma omp simd
      for (int i = 0; i < block; ++i) at[r * width + i] *= sum[i];
  }
}

void softmax_vjp(std::int64_t rows, std::int64_t width, const float* p, float* g) {
  for (std::int64_t c = 0; c < width; c += block) {
    float sum[block] = {};
    for (std::int64_t r = 0; r < rows; ++r)
#pragma omp simd
      for (int i = 0; i < block; ++i) sum[i] += p[r * width + c + i] * g[r * width + c + i];
    for (std::int64_t r = 0; r < rows; ++r)
#pragma omp simd
      for (int i = 0; i < block; ++i) g[r * width + c + i] = p[r * width + c + i] * (g[r * width + c + i] - sum[i]);
  }
}

void add_to(float* y, const float* x, std::int64_t n) {
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) y[i] += x[i];
}

}  // namespace

extern const TransformerKernels transformer_kernels;
const TransformerKernels transformer_kernels = {layer_norm, layer_norm_vjp, softmax, softmax_vjp, add_to};

}  // namespace weft::inline WEFT_ISA
