#pragma once
// The CPU loops of pointwise operations: the loop is here, the body is the op's. Included by kernel sources only (see
// core/isa.h).

#include <cstdint>

#include "weft/core/parallel.h"

namespace weft {

/// What a pointwise op with one input offers: y = f(x), and gx = beta gx + gy f'(x) from (x, y). `p` is the op's
/// parameter.
struct UnaryKernel {
  void (*forward)(const void* x, void* y, std::int64_t n, double p);
  void (*vjp)(const void* x, const void* y, const void* gy, void* gx, bool accumulate, std::int64_t n, double p);
};

/// With two inputs of one shape.
struct BinaryKernel {
  void (*forward)(const void* a, const void* b, void* y, std::int64_t n);
  void (*vjp)(const void* a, const void* b, const void* y, const void* gy, void* ga, bool accumulate_a, void* gb,
              bool accumulate_b, std::int64_t n);
};

inline namespace WEFT_ISA {

inline constexpr std::int64_t pointwise_grain = 16384;

template <class Op, class T>
void unary_forward(const void* x_, void* y_, std::int64_t n, double p_) {
  const T* x = static_cast<const T*>(x_);
  T* y = static_cast<T*>(y_);
  const T p = static_cast<T>(p_);
  parallel_blocks(n, pointwise_grain, [=](std::int64_t begin, std::int64_t end) {
#pragma omp simd
    for (std::int64_t i = begin; i < end; ++i) y[i] = Op::f(x[i], p);
  });
}

template <class Op, class T>
inline void unary_in_place(T* y, std::int64_t n, T p) {
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) y[i] = Op::f(y[i], p);
}

template <class Op, class T>
void unary_vjp(const void* x_, const void* y_, const void* gy_, void* gx_, bool accumulate, std::int64_t n, double p_) {
  const T *x = static_cast<const T*>(x_), *y = static_cast<const T*>(y_), *gy = static_cast<const T*>(gy_);
  T* gx = static_cast<T*>(gx_);
  const T p = static_cast<T>(p_);
  parallel_blocks(n, pointwise_grain, [=](std::int64_t begin, std::int64_t end) {
    if (accumulate) {
#pragma omp simd
      for (std::int64_t i = begin; i < end; ++i) gx[i] += gy[i] * Op::df(x[i], y[i], p);
    } else {
#pragma omp simd
      for (std::int64_t i = begin; i < end; ++i) gx[i] = gy[i] * Op::df(x[i], y[i], p);
    }
  });
}

template <class Op, class T>
void binary_forward(const void* a_, const void* b_, void* y_, std::int64_t n) {
  const T *a = static_cast<const T*>(a_), *b = static_cast<const T*>(b_);
  T* y = static_cast<T*>(y_);
  parallel_blocks(n, pointwise_grain, [=](std::int64_t begin, std::int64_t end) {
#pragma omp simd
    for (std::int64_t i = begin; i < end; ++i) y[i] = Op::f(a[i], b[i]);
  });
}

/// Either gradient may be null: not wanted.
template <class Op, class T>
void binary_vjp(const void* a_, const void* b_, const void* y_, const void* gy_, void* ga_, bool accumulate_a,
                void* gb_, bool accumulate_b, std::int64_t n) {
  const T *a = static_cast<const T*>(a_), *b = static_cast<const T*>(b_), *y = static_cast<const T*>(y_),
          *gy = static_cast<const T*>(gy_);
  T *ga = static_cast<T*>(ga_), *gb = static_cast<T*>(gb_);
  const T keep_a = accumulate_a ? T(1) : T(0), keep_b = accumulate_b ? T(1) : T(0);
  parallel_blocks(n, pointwise_grain, [=](std::int64_t begin, std::int64_t end) {
    // An uninitialised gradient is never read, not even to be multiplied by zero: it may hold a NaN.
    if (ga)
#pragma omp simd
      for (std::int64_t i = begin; i < end; ++i)
        ga[i] = (keep_a != T(0) ? ga[i] : T(0)) + gy[i] * Op::da(a[i], b[i], y[i]);
    if (gb)
#pragma omp simd
      for (std::int64_t i = begin; i < end; ++i)
        gb[i] = (keep_b != T(0) ? gb[i] : T(0)) + gy[i] * Op::db(a[i], b[i], y[i]);
  });
}

}  // namespace WEFT_ISA
}  // namespace weft
