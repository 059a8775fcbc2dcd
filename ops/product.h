#pragma once
// Matrix products where the memory lies: core's on the CPU, a device's own there.

#include <optional>

#include "weft/core/arena.h"
#include "weft/core/gemm.h"
#include "weft/ops/pointwise_kernels.h"

namespace weft {

/// What happens to C after the product: C + bias, then the activation with its default parameter.
template <class T>
struct ProductEpilogue {
  const T* bias = nullptr;  ///< [n], or [m] if bias_per_row; contiguous
  bool bias_per_row = false;
  std::int64_t bias_batch_stride = 0;
  std::optional<UnaryOp> activation = {};
};

/// A device's products: as gemm() in core/gemm.h, with scratch from the device's memory, given back.
template <class T>
using ProductLaunch = void (*)(Arena& scratch, GemmShape shape, GemmOperand<T> a, GemmOperand<T> b, T beta, T* c,
                               std::int64_t c_batch_stride, std::int64_t c_row_stride,
                               const ProductEpilogue<T>& epilogue);
struct ProductKernels {
  ProductLaunch<float> of_float;
  ProductLaunch<double> of_double;
};

/// gemm() of core/gemm.h on the CPU or the device whose memory `scratch` is. The same bits every time. Throws what
/// gemm() throws, and DeviceError.
template <class T>
void product(Arena& scratch, GemmShape shape, GemmOperand<T> a, GemmOperand<T> b, T beta, T* c,
             std::int64_t c_batch_stride, std::int64_t c_row_stride, const ProductEpilogue<T>& epilogue = {});

}  // namespace weft
