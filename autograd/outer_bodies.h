#pragma once
// What autograd/outer_sum.cpp does on a device. Light: nvcc reads it.

#include <cstdint>

#include "weft/core/hd.h"

namespace weft {

/// to = beta to + an OuterSum (autograd/outer_sum.h), a number a thread.
template <class T>
struct FormOuter {
  static constexpr const char* name = "outer_sum";
  struct Side {
    const T* data;
    std::int64_t stride, first, second;
  };
  std::int64_t n2, rows, columns, rank;
  Side left, right;
  T* to;
  bool accumulate;
};

#define WEFT_OUTER_LOOPS(X) \
  X(FormOuter<float>)       \
  X(FormOuter<double>)

inline namespace WEFT_ISA {

template <class T>
WEFT_HD void loop_at(const FormOuter<T>& sum, std::int64_t number) {
  const std::int64_t line = number / sum.columns, c = number - line * sum.columns;
  const std::int64_t item = line / sum.rows, r = line - item * sum.rows, i = item / sum.n2, j = item - i * sum.n2;
  const T* left = sum.left.data + i * sum.left.first + j * sum.left.second + r;
  const T* right = sum.right.data + i * sum.right.first + j * sum.right.second + c;
  T all = sum.accumulate ? sum.to[number] : T(0);
  for (std::int64_t b = 0; b < sum.rank; ++b) all += left[b * sum.left.stride] * right[b * sum.right.stride];
  sum.to[number] = all;
}

}  // namespace WEFT_ISA
}  // namespace weft
