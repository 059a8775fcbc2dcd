#include "weft/ops/product.h"

#include <type_traits>

#include "weft/core/backend.h"
#include "weft/ops/pointwise.h"

namespace weft {

template <class T>
void product(Arena& scratch, GemmShape shape, GemmOperand<T> a, GemmOperand<T> b, T beta, T* c,
             std::int64_t c_batch_stride, std::int64_t c_row_stride, const ProductEpilogue<T>& epilogue) {
  if (Backend* backend = scratch.backend()) {
    const auto& kernels = backend->table<ProductKernels>("product");
    const auto launch = [&] {
      if constexpr (std::is_same_v<T, float>)
        return kernels.of_float;
      else
        return kernels.of_double;
    }();
    return launch(scratch, shape, a, b, beta, c, c_batch_stride, c_row_stride, epilogue);
  }
  gemm<T>(shape, a, b, beta, c, c_batch_stride, c_row_stride,
          {epilogue.bias, epilogue.bias_per_row, epilogue.bias_batch_stride,
           epilogue.activation ? activation<T>(*epilogue.activation) : nullptr});
}

#define WEFT_INSTANTIATE(T)                                                                                   \
  template void product(Arena&, GemmShape, GemmOperand<T>, GemmOperand<T>, T, T*, std::int64_t, std::int64_t, \
                        const ProductEpilogue<T>&);
WEFT_INSTANTIATE(float)
WEFT_INSTANTIATE(double)
#undef WEFT_INSTANTIATE

}  // namespace weft
