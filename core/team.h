#pragma once
// A Team runs one row: on the CPU one thread with SIMD, on CUDA a warp or a block. Row bodies are written against it
// once.

#include <cstdint>

#include "weft/core/hd.h"

namespace weft {
inline namespace WEFT_ISA {

/// A row of n values, `stride` apart.
template <class T>
struct Row {
  T* p;
  std::int64_t stride;
  WEFT_HD T& operator[](std::int64_t i) const { return p[i * stride]; }
};

/// The same with neighbouring values: what vectorises.
template <class T>
struct DenseRow {
  T* p;
  WEFT_HD T& operator[](std::int64_t i) const { return p[i]; }
};

/// One thread. Sums run in a fixed number of lanes, folded in a fixed tree, so that they vectorise and never depend on
/// threads.
struct SerialTeam {
  static constexpr int lanes = 16;

  template <class F>
  void each(std::int64_t n, const F& f) const {
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) f(i);
  }

  template <class T, class F>
  T sum(std::int64_t n, const F& f) const {
    T part[lanes] = {};
    std::int64_t i = 0;
    for (; i + lanes <= n; i += lanes)
#pragma omp simd
      for (int k = 0; k < lanes; ++k) part[k] += f(i + k);
    for (int k = 0; i < n; ++i, ++k) part[k] += f(i);
    for (int half = lanes / 2; half > 0; half /= 2)
      for (int k = 0; k < half; ++k) part[k] += part[k + half];
    return part[0];
  }

  /// The largest f(i), at least `low`; a NaN wins.
  template <class T, class F>
  T max(std::int64_t n, T low, const F& f) const {
    T best = low;
    for (std::int64_t i = 0; i < n; ++i) {
      const T v = f(i);
      best = best > v ? best : v;
    }
    return best;
  }
};

}  // namespace WEFT_ISA
}  // namespace weft
