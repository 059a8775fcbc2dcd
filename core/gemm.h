#pragma once
#include <cstdint>
namespace weft {
struct GemmShape { std::int64_t batch, m, n, k; };
template <class T> struct GemmOperand { const T* data; std::int64_t batch_stride, row_stride, column_stride; };
template <class T> struct GemmEpilogue { const T* bias = nullptr; bool bias_per_row = false; std::int64_t bias_batch_stride = 0; void (*activation)(T*, std::int64_t) = nullptr; };
template <class T>
void gemm(GemmShape s, GemmOperand<T> a, GemmOperand<T> b, T beta, T* c, std::int64_t cb, std::int64_t cr, const GemmEpilogue<T>& e = {}) {
  for (std::int64_t x = 0; x < s.batch; ++x)
    for (std::int64_t i = 0; i < s.m; ++i) {
      T* row = c + x * cb + i * cr;
      for (std::int64_t j = 0; j < s.n; ++j) {
        T sum = beta != T(0) ? row[j] : T(0);
        for (std::int64_t k = 0; k < s.k; ++k) sum += a.data[x * a.batch_stride + i * a.row_stride + k * a.column_stride] * b.data[x * b.batch_stride + k * b.row_stride + j * b.column_stride];
        row[j] = sum + (e.bias ? e.bias[x * e.bias_batch_stride + (e.bias_per_row ? i : j)] : T(0));
      }
      if (e.activation) e.activation(row, s.n);
    }
}
}
