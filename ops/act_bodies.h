#pragma once
// The bodies of ops/act.cpp. Light: nvcc reads it.

#include <cstdint>

#include "weft/core/hd.h"

namespace weft {

/// One axis of a tensor [outer, size, inner], with the copy (head) that each row belongs to: (row offset / head_stride)
/// % copies.
struct AxisView {
  std::int64_t outer, size, inner, head_stride, copies;
};

/// y = M x along one axis, a fibre (all numbers along the axis at one place of the others) a thread. M is what an
/// element does to the axis, transposed for the vjp; see groups/element.h.
template <class T>
struct ActPlaces {
  static constexpr const char* name = "act";
  AxisView view;
  const std::int32_t* order;  ///< null: every place stays
  const double* scale;        ///< the product of all characters; null: 1
  bool transpose;
  const T* x;
  T* y;
};
template <class T>
struct ActMatrix {
  static constexpr const char* name = "act";
  AxisView view;
  const double* matrix;  ///< the inverse for a covector
  bool flip;             ///< times the matrix's transpose
  const T* x;
  T* y;
};
template <class T>
struct ActPairs {
  static constexpr const char* name = "act";
  AxisView view;
  const double *re, *im;  ///< [copies, size / 2], im negative for the transpose
  bool adjacent;          ///< pairs (2p, 2p + 1), not (p, p + n/2)
  const T* x;
  T* y;
};

#define WEFT_ACT_LOOPS(X) \
  X(ActPlaces<float>)     \
  X(ActPlaces<double>)    \
  X(ActMatrix<float>)     \
  X(ActMatrix<double>)    \
  X(ActPairs<float>)      \
  X(ActPairs<double>)

inline namespace WEFT_ISA {

/// Where fibre `i` begins.
WEFT_HD std::int64_t fibre(const AxisView& v, std::int64_t i) {
  const std::int64_t o = i / v.inner;
  return o * v.size * v.inner + (i - o * v.inner);
}
WEFT_HD std::int64_t head_of(const AxisView& v, std::int64_t base) {
  return v.copies > 1 ? base / v.head_stride % v.copies : 0;
}

template <class T>
WEFT_HD void loop_at(const ActPlaces<T>& act, std::int64_t number) {
  const AxisView& v = act.view;
  const std::int64_t n = v.size, base = fibre(v, number), head = head_of(v, base);
  const std::int32_t* order = act.order ? act.order + head * n : nullptr;
  const double* scale = act.scale ? act.scale + head * n : nullptr;
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t old = order ? order[i] : i;
    const std::int64_t to = act.transpose ? old : i, from = act.transpose ? i : old;
    const double x = static_cast<double>(act.x[base + from * v.inner]);
    act.y[base + to * v.inner] = static_cast<T>(scale ? scale[i] * x : x);
  }
}

template <class T>
WEFT_HD void loop_at(const ActPairs<T>& act, std::int64_t number) {
  const AxisView& v = act.view;
  const std::int64_t pairs = v.size / 2, base = fibre(v, number), head = head_of(v, base);
  const double *re = act.re + head * pairs, *im = act.im + head * pairs;
  for (std::int64_t p = 0; p < pairs; ++p) {
    const std::int64_t first = base + (act.adjacent ? 2 * p : p) * v.inner,
                       second = first + (act.adjacent ? 1 : pairs) * v.inner;
    const double a = static_cast<double>(act.x[first]), b = static_cast<double>(act.x[second]);
    act.y[first] = static_cast<T>(re[p] * a - im[p] * b);
    act.y[second] = static_cast<T>(im[p] * a + re[p] * b);
  }
}

template <class T>
WEFT_HD void loop_at(const ActMatrix<T>& act, std::int64_t number) {
  const AxisView& v = act.view;
  const std::int64_t n = v.size, base = fibre(v, number);
  const double* m = act.matrix + head_of(v, base) * n * n;
  for (std::int64_t i = 0; i < n; ++i) {
    double sum = 0;
    for (std::int64_t j = 0; j < n; ++j)
      sum += m[act.flip ? j * n + i : i * n + j] * static_cast<double>(act.x[base + j * v.inner]);
    act.y[base + i * v.inner] = static_cast<T>(sum);
  }
}

}  // namespace WEFT_ISA
}  // namespace weft
