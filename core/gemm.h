#pragma once

#include <cstdint>

namespace weft {

struct GemmShape {
  std::int64_t batch, m, n, k;
};

/// Element (i, j) of item b is data[b batch_stride + i row_stride + j column_stride]. Any strides: a transposed operand
/// costs nothing to name, and batch_stride 0 shares one operand.
template <class T>
struct GemmOperand {
  const T* data;
  std::int64_t batch_stride, row_stride, column_stride;
};

/// What happens to a finished piece of C while it is in cache: C + bias, then the activation in place on pieces of
/// rows.
template <class T>
struct GemmEpilogue {
  const T* bias = nullptr;  ///< [n], or [m] if bias_per_row; contiguous
  bool bias_per_row = false;
  std::int64_t bias_batch_stride = 0;
  void (*activation)(T* y, std::int64_t n) = nullptr;
};

/// c[b] = activation(a[b] b[b] + beta c[b] + bias[b]) for every b of the batch, a: [m, k], b: [k, n], c: [m, n] with
/// contiguous rows. T is float or double; beta is 0 (c is not read) or 1; with beta = 1 an activation applies to the
/// sum. Sums over k run in an order fixed by the shape, beyond 4096 terms pairwise: the same bits on any number of
/// threads. Allocates nothing. 2 batch m n k flops. Throws ShapeError for a negative size, UsageError for another beta.
template <class T>
void gemm(GemmShape shape, GemmOperand<T> a, GemmOperand<T> b, T beta, T* c, std::int64_t c_batch_stride,
          std::int64_t c_row_stride, const GemmEpilogue<T>& epilogue = {});

/// The same by the calling thread alone: inside a parallel loop.
template <class T>
void gemm_serial(GemmShape shape, GemmOperand<T> a, GemmOperand<T> b, T beta, T* c, std::int64_t c_batch_stride,
                 std::int64_t c_row_stride, const GemmEpilogue<T>& epilogue = {});

}  // namespace weft
