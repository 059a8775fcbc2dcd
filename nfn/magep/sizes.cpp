#include "weft/nfn/magep/sizes.h"

namespace weft::magep {

template <class T>
void product(GemmShape s, GemmOperand<T> a, GemmOperand<T> b, T beta, T* c, std::int64_t c_batch_stride,
             std::int64_t c_row_stride) {
  constexpr std::int64_t tiny = 64;  // multiplications that take less time than the kernel's start
  if (s.m * s.n * s.k > tiny) return gemm_serial<T>(s, a, b, beta, c, c_batch_stride, c_row_stride);
  for (std::int64_t item = 0; item < s.batch; ++item)
    for (std::int64_t i = 0; i < s.m; ++i)
      for (std::int64_t j = 0; j < s.n; ++j) {
        const T* left = a.data + item * a.batch_stride + i * a.row_stride;
        const T* right = b.data + item * b.batch_stride + j * b.column_stride;
        T& to = c[item * c_batch_stride + i * c_row_stride + j];
        T sum = 0;
        for (std::int64_t k = 0; k < s.k; ++k) sum += left[k * a.column_stride] * right[k * b.row_stride];
        to = beta == T(0) ? sum : to + sum;
      }
}

template void product(GemmShape, GemmOperand<float>, GemmOperand<float>, float, float*, std::int64_t, std::int64_t);
template void product(GemmShape, GemmOperand<double>, GemmOperand<double>, double, double*, std::int64_t, std::int64_t);

}  // namespace weft::magep
