#pragma once
// The bodies of ops/strided.h. Light: nvcc reads it.

#include <cstdint>

#include "weft/core/hd.h"
#include "weft/core/team.h"

namespace weft {

/// A nest of loops, slowest first, with one stride per view.
template <int Views>
struct Loops {
  static constexpr int max_depth = 16;
  int depth = 0;
  std::int64_t size[max_depth] = {};
  std::int64_t stride[max_depth][Views] = {};

  void push_back(std::int64_t n, const std::int64_t (&strides)[Views]) {
    // Neighbours that run on as one loop become one.
    if (depth > 0) {
      bool merges = true;
      for (int v = 0; v < Views; ++v) merges &= stride[depth - 1][v] == strides[v] * n;
      if (merges) {
        size[depth - 1] *= n;
        for (int v = 0; v < Views; ++v) stride[depth - 1][v] = strides[v];
        return;
      }
    }
    size[depth] = n;
    for (int v = 0; v < Views; ++v) stride[depth][v] = strides[v];
    ++depth;
  }
  std::int64_t count() const {
    std::int64_t n = 1;
    for (int i = 0; i < depth; ++i) n *= size[i];
    return n;
  }
};

/// out = beta out + scale in, one number of `out` a time: a device's way.
template <class T>
struct ScaledCopy {
  static constexpr const char* name = "strided_copy";
  Loops<2> loops;  ///< in, out
  const T* in;     ///< null: the constant 1
  T* out;
  T scale;
  bool accumulate;
};

/// out = Σ a b, a number of `out` a thread. The last loop over what is summed is spelled out: `inner` numbers of it in
/// each of `rows`.
template <class T>
struct StridedDot {
  static constexpr const char* name = "strided_dot";
  Loops<3> kept;    ///< a, b, out
  Loops<2> summed;  ///< a, b
  std::int64_t rows, inner;
  const T* a;
  const T* b;  ///< null: the constant 1
  T* out;
};
/// The same, a number of `out` a team.
template <class T, int Lanes>
struct TeamStridedDot {
  static constexpr const char* name = "strided_dot";
  static constexpr int lanes = Lanes;
  StridedDot<T> dot;

  std::int64_t scratch_bytes() const { return 0; }
};

#define WEFT_STRIDED_LOOPS(X) \
  X(ScaledCopy<float>)        \
  X(ScaledCopy<double>)       \
  X(StridedDot<float>)        \
  X(StridedDot<double>)
#define WEFT_STRIDED_TEAM_LOOPS(X) \
  X(TeamStridedDot<float, 32>)     \
  X(TeamStridedDot<double, 32>)    \
  X(TeamStridedDot<float, 256>)    \
  X(TeamStridedDot<double, 256>)

inline namespace WEFT_ISA {

/// Offsets of iteration `i` of the first `levels` loops, which have more iterations than that.
template <int Views>
WEFT_HD void offsets(const Loops<Views>& loops, std::int64_t i, int levels, std::int64_t (&at)[Views]) {
  for (int v = 0; v < Views; ++v) at[v] = 0;
  for (int l = levels - 1; l >= 0; --l) {
    const std::int64_t left = l > 0 ? i / loops.size[l] : 0, k = i - left * loops.size[l];
    i = left;
    for (int v = 0; v < Views; ++v) at[v] += k * loops.stride[l][v];
  }
}

template <class T>
WEFT_HD void loop_at(const ScaledCopy<T>& copy, std::int64_t i) {
  std::int64_t at[2];
  offsets(copy.loops, i, copy.loops.depth, at);
  const T value = copy.scale * (copy.in ? copy.in[at[0]] : T(1));
  T& to = copy.out[at[1]];
  to = copy.accumulate ? to + value : value;
}

/// Σ f(i) for i in [0, n) by one thread; one of a device has no registers for lanes.
template <class T, class F>
WEFT_HD T sum_alone(std::int64_t n, const F& f) {
#if !defined(__CUDA_ARCH__)
  if (n > serial_terms) return SerialTeam{}.sum<T>(n, f);
#endif
  return pairwise_sum<T>(n, f);
}

/// Σ p q along the innermost loop; q may be the constant 1. What is dense is said so, that it vectorises.
template <class T>
WEFT_HD T inner_dot(std::int64_t n, const T* p, std::int64_t p_step, const T* q, std::int64_t q_step) {
  if (!q && p_step == 1) return sum_alone<T>(n, [=](std::int64_t i) { return p[i]; });
  if (!q) return sum_alone<T>(n, [=](std::int64_t i) { return p[i * p_step]; });
  if (p_step == 1 && q_step == 1) return sum_alone<T>(n, [=](std::int64_t i) { return p[i] * q[i]; });
  return sum_alone<T>(n, [=](std::int64_t i) { return p[i * p_step] * q[i * q_step]; });
}

template <class T>
WEFT_HD void loop_at(const StridedDot<T>& dot, std::int64_t o) {
  std::int64_t at[3];
  offsets(dot.kept, o, dot.kept.depth, at);
  const int outer = dot.summed.depth > 0 ? dot.summed.depth - 1 : 0;
  // Short inner loops share a run of serial terms.
  const std::int64_t rows = dot.inner > 0 && dot.inner < serial_terms ? serial_terms / dot.inner : 1;
  dot.out[at[2]] = tree_sum<T>((dot.rows + rows - 1) / rows, [&](std::int64_t block) {
    T sum = 0;
    const std::int64_t first = block * rows, end = dot.rows - first < rows ? dot.rows : first + rows;
    for (std::int64_t r = first; r < end; ++r) {
      std::int64_t in[2];
      offsets(dot.summed, r, outer, in);
      sum += inner_dot(dot.inner, dot.a + at[0] + in[0], dot.summed.stride[outer][0],
                       dot.b ? dot.b + at[1] + in[1] : nullptr, dot.summed.stride[outer][1]);
    }
    return sum;
  });
}

template <class T, int Lanes, class Team>
WEFT_HD void loop_row(const TeamStridedDot<T, Lanes>& body, const Team& team, std::int64_t o, void*) {
  const StridedDot<T>& dot = body.dot;
  std::int64_t at[3];
  offsets(dot.kept, o, dot.kept.depth, at);
  const T sum = team.template sum<T>(dot.rows * dot.inner, [&](std::int64_t i) {
    std::int64_t in[2];
    offsets(dot.summed, i, dot.summed.depth, in);
    const T a = dot.a[at[0] + in[0]];
    return dot.b ? a * dot.b[at[1] + in[1]] : a;
  });
  team.each(1, [&](std::int64_t) { dot.out[at[2]] = sum; });
}

}  // namespace WEFT_ISA
}  // namespace weft
