#pragma once
// Norms over the channels, and what is multiplied by such: bodies of core/loop.h. Light: nvcc reads it.

#include "weft/core/math.h"
#include "weft/nfn/graph/planes.h"

namespace weft::graph {

/// y = the root mean square of x over the channels, x: [channels, n], over blocks of entries.
template <class T>
struct ChannelNorm {
  static constexpr const char* name = "channel_norm";
  static constexpr int lanes = 32;
  static constexpr std::int64_t block = 256;
  std::int64_t scratch_bytes() const { return 0; }
  const T* x;
  T* y;
  std::int64_t channels, n;
};

/// gx = gy x / (channels y), 0 where y is: over the channels.
template <class T>
struct ChannelNormVjp {
  static constexpr const char* name = "channel_norm";
  static constexpr int lanes = 32;
  std::int64_t scratch_bytes() const { return 0; }
  const T *x, *y, *gy;
  T* gx;
  std::int64_t channels, n;
  bool accumulate;
};

/// y = s x, s: [n], x: [channels, n]: over the channels.
template <class T>
struct ScaleChannels {
  static constexpr const char* name = "scale_channels";
  static constexpr int lanes = 32;
  std::int64_t scratch_bytes() const { return 0; }
  const T *x, *s;
  T* y;
  std::int64_t n;
  bool accumulate;
};

/// s = Σ x y over the channels, over blocks of entries: the gradient of the scale.
template <class T>
struct ChannelDots {
  static constexpr const char* name = "scale_channels";
  static constexpr int lanes = 32;
  static constexpr std::int64_t block = 256;
  std::int64_t scratch_bytes() const { return 0; }
  const T *x, *y;
  T* s;
  std::int64_t channels, n;
  bool accumulate;
};

/// y = 1 / x, 0 where x < smallest.
template <class T>
struct Reciprocal {
  static constexpr const char* name = "reciprocal";
  static constexpr T smallest = T(1e-18);  ///< its square can be divided by
  const T* x;
  T* y;
};

/// gx = -gy y².
template <class T>
struct ReciprocalVjp {
  static constexpr const char* name = "reciprocal";
  const T *y, *gy;
  T* gx;
  bool accumulate;
};

#define WEFT_GRAPH_LOOPS(X)    \
  X(graph::Reciprocal<float>)  \
  X(graph::Reciprocal<double>) \
  X(graph::ReciprocalVjp<float>) X(graph::ReciprocalVjp<double>)
#define WEFT_GRAPH_NORM_BODIES(X, T) \
  X(graph::ChannelNorm<T>)           \
  X(graph::ChannelNormVjp<T>)        \
  X(graph::ScaleChannels<T>)         \
  X(graph::ChannelDots<T>)
#define WEFT_GRAPH_NORM_TEAM_LOOPS(X) \
  WEFT_GRAPH_NORM_BODIES(X, float)    \
  WEFT_GRAPH_NORM_BODIES(X, double)

inline namespace WEFT_ISA {

template <class T, class Team>
WEFT_HD void loop_row(const ChannelNorm<T>& b, const Team& team, std::int64_t at, void*) {
  const std::int64_t first = at * b.block, n = b.n;
  const T* x = b.x + first;
  T* y = b.y + first;
  column_sums<T>(
      team, b.channels, n - first < b.block ? n - first : b.block,
      [=](std::int64_t c, std::int64_t j) { return x[c * n + j] * x[c * n + j]; },
      [=, share = T(1) / static_cast<T>(b.channels)](std::int64_t j, T sum) { y[j] = math::sqrt(share * sum); });
}

template <class T, class Team>
WEFT_HD void loop_row(const ChannelNormVjp<T>& b, const Team& team, std::int64_t at, void*) {
  const T *x = b.x + at * b.n, *y = b.y, *gy = b.gy;
  T* gx = b.gx + at * b.n;
  const bool adds = b.accumulate;
  const T share = T(1) / static_cast<T>(b.channels);
  team.each(b.n, [=](std::int64_t j) {
    const T g = y[j] > T(0) ? share * gy[j] / y[j] * x[j] : T(0);
    gx[j] = adds ? gx[j] + g : g;
  });
}

template <class T, class Team>
WEFT_HD void loop_row(const ScaleChannels<T>& b, const Team& team, std::int64_t at, void*) {
  const T *x = b.x + at * b.n, *s = b.s;
  T* y = b.y + at * b.n;
  const bool adds = b.accumulate;
  team.each(b.n, [=](std::int64_t j) { y[j] = adds ? y[j] + s[j] * x[j] : s[j] * x[j]; });
}

template <class T, class Team>
WEFT_HD void loop_row(const ChannelDots<T>& b, const Team& team, std::int64_t at, void*) {
  const std::int64_t first = at * b.block, n = b.n;
  const T *x = b.x + first, *y = b.y + first;
  T* s = b.s + first;
  column_sums<T>(
      team, b.channels, n - first < b.block ? n - first : b.block,
      [=](std::int64_t c, std::int64_t j) { return x[c * n + j] * y[c * n + j]; },
      [=, adds = b.accumulate](std::int64_t j, T sum) { s[j] = adds ? s[j] + sum : sum; });
}

template <class T>
WEFT_HD void loop_at(const Reciprocal<T>& b, std::int64_t i) {
  b.y[i] = b.x[i] < b.smallest ? T(0) : T(1) / b.x[i];
}

template <class T>
WEFT_HD void loop_at(const ReciprocalVjp<T>& b, std::int64_t i) {
  const T g = -b.gy[i] * b.y[i] * b.y[i];
  b.gx[i] = b.accumulate ? b.gx[i] + g : g;
}

}  // namespace WEFT_ISA
}  // namespace weft::graph
