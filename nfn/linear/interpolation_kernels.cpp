// Compiled once per instruction set.

#include "weft/nfn/linear/interpolation_kernels.h"

#include "weft/core/gemm_vector.h"

namespace weft::inline WEFT_ISA {

namespace {

using linear::Grid, linear::points, linear::points_below;

inline constexpr std::int64_t most = 64;  ///< weights that are treated together

inline std::int64_t least(std::int64_t a, std::int64_t b) { return a < b ? a : b; }

/// Of up to `most` weights: the first node that each reads, and the factors of its nodes.
struct Places {
  std::int64_t node[most];
  float factor[points][most];

  Places(const Grid& grid, const float* x, std::int64_t count) {
    float u[most];  // from 0 to 1, exact
    for (std::int64_t w = 0; w < count; ++w) {
      const float at = x[w] * grid.per_unit;
      const auto cut = static_cast<std::int64_t>(at);
      const std::int64_t below = cut - (static_cast<float>(cut) > at ? 1 : 0);
      u[w] = at - static_cast<float>(below);
      node[w] = below - points_below - grid.first;
    }
    // Lagrange: Π_{i != j} (u - u_i) / (u_j - u_i) with nodes u_j = j - points_below, by products from both ends.
    constexpr float inverse[points] = {-1.f / 5040, 1.f / 720, -1.f / 240, 1.f / 144,
                                       -1.f / 144,  1.f / 240, -1.f / 720, 1.f / 5040};
#pragma omp simd
    for (std::int64_t w = 0; w < count; ++w) {
      float from_left[points], right = 1;
      from_left[0] = 1;
#pragma GCC unroll 8
      for (int j = 1; j < points; ++j)
        from_left[j] = from_left[j - 1] * (u[w] - static_cast<float>(j - 1 - points_below));
#pragma GCC unroll 8
      for (int j = points - 1; j >= 0; --j) {
        factor[j][w] = inverse[j] * from_left[j] * right;
        right *= u[w] - static_cast<float>(j - points_below);
      }
    }
  }
};

/// f(first weight, its places, their number) for all n.
template <class F>
inline void each_places(const Grid& grid, const float* x, std::int64_t n, const F& f) {
  for (std::int64_t first = 0; first < n; first += most) {
    const std::int64_t count = least(most, n - first);
    f(first, Places(grid, x + first, count), count);
  }
}

void values(const Grid& grid, const float* x, std::int64_t n, const float* at_nodes, std::int64_t row, std::int64_t e,
            float* y, std::int64_t y_stride) {
  alignas(64) float by_weight[lanes<float> * lanes<float>], by_channel[lanes<float> * lanes<float>];
  each_places(grid, x, n, [&](std::int64_t first, const Places& places, std::int64_t count) {
    for (std::int64_t i = 0; i < e; i += lanes<float>)
      for (std::int64_t w = 0; w < count; w += lanes<float>) {
        const std::int64_t weights = least(lanes<float>, count - w), channels = least(lanes<float>, e - i);
        for (std::int64_t k = 0; k < weights; ++k) {
          const float* from = at_nodes + places.node[w + k] * row + i;
          Vector<float> sum{};
#pragma GCC unroll 8
          for (int j = 0; j < points; ++j) sum = fma(broadcast(places.factor[j][w + k]), load(from + j * row), sum);
          store(by_weight + k * lanes<float>, sum);
        }
        float* to = y + i * y_stride + first + w;
        if (weights == lanes<float>) {
          transpose<false>(by_weight, lanes<float>, channels, weights, to, y_stride);
          continue;
        }
        transpose<true>(by_weight, lanes<float>, channels, weights, by_channel, lanes<float>);
        const Head<float> written(weights);
        for (std::int64_t c = 0; c < channels; ++c)
          written.store(to + c * y_stride, load(by_channel + c * lanes<float>));
      }
  });
}

void adjoint(const Grid& grid, const float* x, std::int64_t n, const float* gy, std::int64_t gy_stride, std::int64_t e,
             float* at_nodes, std::int64_t row) {
  alignas(64) float by_weight[lanes<float> * lanes<float>];
  each_places(grid, x, n, [&](std::int64_t first, const Places& places, std::int64_t count) {
    for (std::int64_t i = 0; i < e; i += lanes<float>)
      for (std::int64_t w = 0; w < count; w += lanes<float>) {
        const std::int64_t weights = least(lanes<float>, count - w), channels = least(lanes<float>, e - i);
        transpose<true>(gy + i * gy_stride + first + w, gy_stride, weights, channels, by_weight, lanes<float>);
        for (std::int64_t k = 0; k < weights; ++k) {
          float* to = at_nodes + places.node[w + k] * row + i;
          const Vector<float> g = load(by_weight + k * lanes<float>);
#pragma GCC unroll 8
          for (int j = 0; j < points; ++j)
            store(to + j * row, fma(broadcast(places.factor[j][w + k]), g, load(to + j * row)));
        }
      }
  });
}

}  // namespace

extern const linear::InterpolationKernels interpolation_kernels;
const linear::InterpolationKernels interpolation_kernels = {values, adjoint};

}  // namespace weft::inline WEFT_ISA
