#include "weft/nfn/schedule.h"

namespace weft::schedule {

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

template <class T>
Grad<T> gradient_address(Backward& back, int input) {
  if (!back.wants(input)) return {};
  const GradSlot to = back.grad(input);
  return {to.tensor.address<T>(), static_cast<T>(to.beta)};
}

template <class T>
Grad<T> gradient_of(Backward& back, int input) {
  if (back.wants(input)) return gradient_address<T>(back, input);
  return {numbers<T>(back.arena(), back.input_shape(input).numel()), 0};
}

template <class T>
const T* cotangent_of(Backward& back, int output) {
  const Tensor& gy = back.cotangent(output);
  if (gy.defined()) return gy.address<T>();
  const Tensor zeros = Tensor::empty(back.arena(), back.output(output).shape(), dtype_of<T>);
  zeros.fill(0);
  return zeros.address<T>();
}

#define WEFT_INSTANTIATE(T)                                                                            \
  template void product(GemmShape, GemmOperand<T>, GemmOperand<T>, T, T*, std::int64_t, std::int64_t); \
  template Grad<T> gradient_address(Backward&, int);                                                   \
  template Grad<T> gradient_of(Backward&, int);                                                        \
  template const T* cotangent_of(Backward&, int);
WEFT_INSTANTIATE(float)
WEFT_INSTANTIATE(double)
#undef WEFT_INSTANTIATE

}  // namespace weft::schedule
