#pragma once
// A Team runs one row: on the CPU one thread with SIMD, on CUDA a warp or a block. Row bodies are written against it
// once.

#include <cstdint>

#include "weft/core/hd.h"
#include "weft/core/pairwise.h"

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

struct Plus {
  template <class T>
  WEFT_HD T operator()(T a, T b) const {
    return a + b;
  }
};

/// A NaN wins.
struct Larger {
  template <class T>
  WEFT_HD T operator()(T a, T b) const {
    return ((a > b) | (a != a)) ? a : b;
  }
};

/// One thread. Folds run in a fixed number of lanes, so that they vectorise; every lane adds its terms pairwise, and
/// the lanes fold in a fixed tree. The bits depend on the number of terms alone.
struct SerialTeam {
  static constexpr int lanes = 16;
  /// Numbers of which every lane adds its terms one after another.
  static constexpr std::int64_t run = lanes * serial_terms;
  /// Runs that are added side by side: one alone would wait for every addition.
  static constexpr int chains = 4;

  template <class F>
  void each(std::int64_t n, const F& f) const {
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) f(i);
  }

  template <class T, class F>
  T sum(std::int64_t n, const F& f) const {
    T part[lanes] = {};
    if (n <= run) {
      fold_into(part, n, f, Plus{});
      return over_lanes(part, Plus{});
    }
    Lanes<T> all = lane_sums<T>(n, f);
    return over_lanes(all.x, Plus{});
  }

  /// The largest f(i), at least `low`; a NaN wins.
  template <class T, class F>
  T max(std::int64_t n, T low, const F& f) const {
    constexpr std::int64_t few = 4 * lanes;  // sooner done without lanes
    if (n < few) {
      T best = low, bad = low;  // two chains, of which neither waits for the other
      for (std::int64_t i = 0; i < n; ++i) {
        const T v = f(i);
        best = best > v ? best : v;
        bad = v != v ? v : bad;
      }
      return bad != bad ? bad : best;
    }
    T part[lanes];
#pragma omp simd
    for (int k = 0; k < lanes; ++k) part[k] = low;
    fold_into(part, n, f, Larger{});
    return over_lanes(part, Larger{});
  }

  template <class T>
  using Lanes = SideBySide<T, lanes>;

  /// What every lane adds up to: a tree_sum() over the runs. Apart from sum(), so that the compiler makes the most of
  /// short rows.
  template <class T, class F>
  __attribute__((noinline)) static Lanes<T> lane_sums(std::int64_t n, const F& f) {
    constexpr std::int64_t block = chains * run;
    return tree_sum<Lanes<T>>((n + block - 1) / block, [&](std::int64_t b) {
      const std::int64_t first = b * block, left = n - first;
      if (left >= block) return of_whole_runs<T>([&](std::int64_t i) { return f(first + i); });
      return tree_sum<Lanes<T>>((left + run - 1) / run, [&](std::int64_t r) {
        const std::int64_t begin = first + r * run;
        Lanes<T> part{};
        fold_into(
            part.x, n - begin < run ? n - begin : run, [&](std::int64_t i) { return f(begin + i); }, Plus{});
        return part;
      });
    });
  }

  template <class T, class Fold>
  __attribute__((always_inline)) static T over_lanes(T (&part)[lanes], const Fold& fold) {
    for (int half = lanes / 2; half > 0; half /= 2)
      for (int k = 0; k < half; ++k) part[k] = fold(part[k], part[k + half]);
    return part[0];
  }

 private:
  template <class T, class F, class Fold>
  __attribute__((always_inline)) static void fold_into(T (&part)[lanes], std::int64_t n, const F& f, const Fold& fold) {
    std::int64_t i = 0;
    for (; i + lanes <= n; i += lanes)
#pragma omp simd
      for (int k = 0; k < lanes; ++k) part[k] = fold(part[k], f(i + k));
    for (int k = 0; i < n; ++i, ++k) part[k] = fold(part[k], f(i));
  }

  template <class T, class F>
  static Lanes<T> of_whole_runs(const F& f) {
    Lanes<T> part[chains] = {};
    for (std::int64_t i = 0; i < run; i += lanes)
#if !defined(__CUDACC__)
#pragma GCC unroll 4
#endif
      for (int c = 0; c < chains; ++c)
#pragma omp simd
        for (int k = 0; k < lanes; ++k) part[c].x[k] += f(c * run + i + k);
    return (part[0] + part[1]) + (part[2] + part[3]);
  }
};

/// The mean of a row: a rounded number and the mean of what it leaves, which in a constant row is all that there is.
template <class T>
struct Centre {
  T mean, residue;
  WEFT_HD T from(T x) const { return (x - mean) - residue; }
};

template <class T, class Team, class F>
WEFT_HD Centre<T> centre_of(const Team& team, std::int64_t n, const F& f) {
  const T count = static_cast<T>(n), mean = team.template sum<T>(n, f) / count;
  return {mean, team.template sum<T>(n, [=](std::int64_t i) { return f(i) - mean; }) / count};
}

/// The biased variance about it.
template <class T, class Team, class F>
WEFT_HD T variance_of(const Team& team, std::int64_t n, const Centre<T>& centre, const F& f) {
  const T sum = team.template sum<T>(n, [=](std::int64_t i) {
    const T d = centre.from(f(i));
    return d * d;
  });
  return sum / static_cast<T>(n);
}

}  // namespace WEFT_ISA
}  // namespace weft
