#pragma once
// What ops/view.cpp does on a device, a number a thread; the CPU copies whole rows. Light: nvcc reads it.

#include <cstdint>

#include "weft/core/math.h"
#include "weft/core/pairwise.h"

namespace weft {

/// `length` neighbours in each row, whose rows begin `to_step` and `from_step` apart: to = from, or to + from.
template <class T>
struct AddRows {
  static constexpr const char* name = "add_rows";
  T* to;
  std::int64_t to_step;
  const T* from;
  std::int64_t from_step, length;
  bool accumulate;
};

/// y[o, i, k] = x[o, index[i], k]; for an index out of range, which a device finds too late to throw, NaN, or -1 among
/// whole numbers.
template <class T>
struct Gather {
  static constexpr const char* name = "gather";
  const T* x;
  const std::int32_t* index;  ///< [m]
  T* y;
  std::int64_t n, m, inner;
};
/// gx[o, j, k] (+)= Σ gy[o, i, k] over all i with index[i] = j.
template <class T>
struct GatherVjp {
  static constexpr const char* name = "gather";
  const T* gy;
  const std::int32_t* index;
  T* gx;
  std::int64_t n, m, inner;
  bool accumulate;
};

/// Images [N, C, H, W] and their patches [N, out_rows out_columns, C rows columns]: see ops/view.h.
struct PatchLayout {
  std::int64_t C, H, W, out_rows, out_columns, rows, columns, stride, padding;
};
template <class T>
struct Patches {
  static constexpr const char* name = "patches";
  PatchLayout layout;
  const T* x;
  T* y;
};
/// A pixel gathers from the patches that it stands in, first rows first, as the CPU adds them.
template <class T>
struct PatchesVjp {
  static constexpr const char* name = "patches";
  PatchLayout layout;
  const T* gy;
  T* gx;
  bool accumulate;
};

/// Uniform numbers become 0 with probability `rate`, else 1 / (1 - rate).
template <class T>
struct DropoutMask {
  static constexpr const char* name = "channel_dropout";
  T* mask;
  T rate, kept;
};
/// y[r, i] (+)= mask[r] x[r, i], rows of n numbers.
template <class T>
struct MaskRows {
  static constexpr const char* name = "channel_dropout";
  const T *mask, *x;
  T* y;
  std::int64_t n;
  bool accumulate;
};

/// y (+)= a where the mask is not 0, b elsewhere; null is 0.
template <class T>
struct Choose {
  static constexpr const char* name = "where";
  const std::uint8_t* mask;
  const T *a, *b;
  T* y;
  bool accumulate;
};

#define WEFT_VIEW_LOOPS_OF(X, T) \
  X(AddRows<T>)                  \
  X(Gather<T>)                   \
  X(GatherVjp<T>)                \
  X(Patches<T>)                  \
  X(PatchesVjp<T>)               \
  X(DropoutMask<T>)              \
  X(MaskRows<T>)                 \
  X(Choose<T>)
#define WEFT_VIEW_LOOPS(X) WEFT_VIEW_LOOPS_OF(X, float) WEFT_VIEW_LOOPS_OF(X, double) X(Gather<std::int32_t>)

inline namespace WEFT_ISA {

template <class T>
WEFT_HD void loop_at(const AddRows<T>& body, std::int64_t number) {
  const std::int64_t r = number / body.length, i = number - r * body.length;
  T& to = body.to[r * body.to_step + i];
  to = body.from[r * body.from_step + i] + (body.accumulate ? to : T(0));
}

WEFT_HD float no_item(float) { return math::from_bits(0x7fc00000u); }
WEFT_HD double no_item(double) { return static_cast<double>(math::from_bits(0x7fc00000u)); }
WEFT_HD std::int32_t no_item(std::int32_t) { return -1; }

template <class T>
WEFT_HD void loop_at(const Gather<T>& body, std::int64_t number) {
  const std::int64_t row = number / body.inner, k = number - row * body.inner, o = row / body.m, i = row - o * body.m;
  const std::int64_t from = body.index[i];
  const bool inside = from >= 0 && from < body.n;
  body.y[number] = inside ? body.x[(o * body.n + from) * body.inner + k] : no_item(T());
}

template <class T>
WEFT_HD void loop_at(const GatherVjp<T>& body, std::int64_t number) {
  const std::int64_t row = number / body.inner, k = number - row * body.inner, o = row / body.n, j = row - o * body.n;
  const T sum = pairwise_sum<T>(
      body.m, [=](std::int64_t i) { return body.index[i] == j ? body.gy[(o * body.m + i) * body.inner + k] : T(0); });
  body.gx[number] = body.accumulate ? body.gx[number] + sum : sum;
}

template <class T>
WEFT_HD void loop_at(const Patches<T>& body, std::int64_t number) {
  const PatchLayout& p = body.layout;
  std::int64_t rest = number / p.columns;
  const std::int64_t j = number - rest * p.columns;
  const std::int64_t lines = rest / p.rows, i = rest - lines * p.rows;
  rest = lines / p.C;
  const std::int64_t channel = lines - rest * p.C, row = rest / p.out_columns, c = rest - row * p.out_columns;
  const std::int64_t image = row / p.out_rows, r = row - image * p.out_rows;
  const std::int64_t y = r * p.stride + i - p.padding, x = c * p.stride + j - p.padding;
  const bool inside = y >= 0 && y < p.H && x >= 0 && x < p.W;
  body.y[number] = inside ? body.x[((image * p.C + channel) * p.H + y) * p.W + x] : T(0);
}

template <class T>
WEFT_HD void loop_at(const PatchesVjp<T>& body, std::int64_t number) {
  const PatchLayout& p = body.layout;
  const std::int64_t line = number / p.W, x = number - line * p.W + p.padding;
  const std::int64_t plane = line / p.H, y = line - plane * p.H + p.padding;
  const std::int64_t image = plane / p.C, channel = plane - image * p.C, taps = p.C * p.rows * p.columns;
  // Places r of the kernel with 0 <= y - r stride < rows; the same along the columns.
  const std::int64_t r0 = y < p.rows ? 0 : (y - p.rows) / p.stride + 1;
  const std::int64_t c0 = x < p.columns ? 0 : (x - p.columns) / p.stride + 1;
  T sum = body.accumulate ? body.gx[number] : T(0);
  for (std::int64_t r = r0; r < p.out_rows && r * p.stride <= y; ++r)
    for (std::int64_t c = c0; c < p.out_columns && c * p.stride <= x; ++c) {
      const std::int64_t i = y - r * p.stride, j = x - c * p.stride;
      sum += body.gy[((image * p.out_rows + r) * p.out_columns + c) * taps + (channel * p.rows + i) * p.columns + j];
    }
  body.gx[number] = sum;
}

template <class T>
WEFT_HD void loop_at(const DropoutMask<T>& body, std::int64_t i) {
  body.mask[i] = body.mask[i] < body.rate ? T(0) : body.kept;
}

template <class T>
WEFT_HD void loop_at(const MaskRows<T>& body, std::int64_t i) {
  body.y[i] = body.mask[i / body.n] * body.x[i] + (body.accumulate ? body.y[i] : T(0));
}

template <class T>
WEFT_HD void loop_at(const Choose<T>& body, std::int64_t i) {
  const T* from = body.mask[i] ? body.a : body.b;
  const T value = from ? from[i] : T(0);
  body.y[i] = body.accumulate ? body.y[i] + value : value;
}

}  // namespace WEFT_ISA
}  // namespace weft
