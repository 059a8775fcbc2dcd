#pragma once
// The table of product kernels of one instruction set (core/gemm.cpp chooses one).

#include <cstdint>

namespace weft {

/// One product of one item of a batch, or of a block of its rows and columns, for one thread.
template <class T>
struct GemmBlock {
  std::int64_t m, n, k;
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
};

struct GemmKernels {
  void (*block_float)(const GemmBlock<float>&);
  void (*block_double)(const GemmBlock<double>&);
};

}  // namespace weft
