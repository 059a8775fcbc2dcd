#pragma once
// The table of product kernels of one instruction set (core/gemm.cpp chooses one).

#include <cstdint>

namespace weft {

/// The products of some items of a batch, or a block of their rows and columns, for one thread.
template <class T>
struct GemmBlock {
  std::int64_t items, m, n, k;
  std::int64_t a_item_stride, b_item_stride, c_item_stride, bias_item_stride;
  const T* a;
  std::int64_t a_row_stride, a_column_stride;
  const T* b;
  std::int64_t b_row_stride, b_column_stride;
  T* c;
  std::int64_t c_row_stride;
  bool accumulate;           ///< add to C; otherwise C is not read
  const T* bias_of_columns;  ///< [n] or null
  const T* bias_of_rows;     ///< [m] or null
  void (*activation)(T* y, std::int64_t n);

#if defined(__GNUC__)
  __attribute__((always_inline))  // the kernels of an instruction set must not share a copy
#endif
  void
  next_item() {
    --items;
    a += a_item_stride, b += b_item_stride, c += c_item_stride;
    if (bias_of_columns) bias_of_columns += bias_item_stride;
    if (bias_of_rows) bias_of_rows += bias_item_stride;
  }
};

struct GemmKernels {
  void (*block_float)(const GemmBlock<float>&);
  void (*block_double)(const GemmBlock<double>&);
};

}  // namespace weft
