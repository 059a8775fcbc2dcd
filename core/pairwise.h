#pragma once
// Pairwise summation: the rounding error of a sum grows with the logarithm of its length, not with its length (Higham:
// Accuracy and Stability of Numerical Algorithms, section 4.2). All sums of weft whose length is not a small constant
// are made of these. Light: nvcc reads it.

#include <cstdint>

#include "weft/core/hd.h"

namespace weft {
inline namespace WEFT_ISA {

/// N numbers that are added side by side.
template <class T, int N>
struct SideBySide {
  T x[N];

  WEFT_HD SideBySide operator+(const SideBySide& other) const {
    SideBySide sum;
#if !defined(__CUDA_ARCH__)
#pragma omp simd
#endif
    for (int k = 0; k < N; ++k) sum.x[k] = x[k] + other.x[k];
    return sum;
  }
};

/// Σ of_block(b) for b in [0, blocks), in a binary tree that follows from `blocks` alone. T adds by +, and T{} is zero.
/// Blocks [i 2^k, (i + 1) 2^k) are a tree of their own: their sum may be formed elsewhere first, and no bit changes.
template <class T, class F>
WEFT_HD T tree_sum(std::int64_t blocks, const F& of_block) {
  if (blocks < 1) return T{};
  constexpr int levels = 40;  // more blocks than any memory holds
  T left[levels];             // the finished left halves, the largest first
  int depth = 0;
  for (std::int64_t b = 0;;) {
    T sum = of_block(b);
    for (std::int64_t whole = b; whole & 1; whole >>= 1) sum = left[--depth] + sum;
    if (++b == blocks) {
      while (depth > 0) sum = left[--depth] + sum;
      return sum;
    }
    left[depth++] = sum;
  }
}

/// So many terms are added one after another, where a longer sum would begin a tree: their own error is that of half as
/// many roundings at most, when all are equal.
inline constexpr std::int64_t serial_terms = 16;

/// Σ f(i) for i in [0, n), by one thread.
template <class T, class F>
WEFT_HD T pairwise_sum(std::int64_t n, const F& f) {
  return tree_sum<T>((n + serial_terms - 1) / serial_terms, [&](std::int64_t block) {
    const std::int64_t begin = block * serial_terms, end = n - begin < serial_terms ? n : begin + serial_terms;
    T sum{};
    for (std::int64_t i = begin; i < end; ++i) sum = sum + f(i);
    return sum;
  });
}

}  // namespace WEFT_ISA
}  // namespace weft
