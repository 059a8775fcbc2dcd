#pragma once

#include <optional>

#include "weft/core/gemm.h"
#include "weft/cuda/blas.h"
#include "weft/cuda/device_arena.h"
#include "weft/ops/pointwise_kernels.h"

namespace weft::cuda {

/// As GemmEpilogue; a kernel of its own after the product.
template <class T>
struct Epilogue {
  const T* bias = nullptr;  ///< [n], or [m] if bias_per_row; contiguous
  bool bias_per_row = false;
  std::int64_t bias_batch_stride = 0;
  std::optional<UnaryOp> activation = {};  ///< with its default parameter
};

/// core/gemm.h's gemm() on the device, on the stream of `blas`, which must be the one in use. Operands that a BLAS
/// cannot name are packed into `scratch`. The same bits every time on one kind of device. Throws ShapeError for a
/// negative size, UsageError for another beta or for double in another precision than full, DeviceError.
template <class T>
void gemm(Blas& blas, DeviceArena& scratch, GemmShape shape, GemmOperand<T> a, GemmOperand<T> b, T beta, T* c,
          std::int64_t c_batch_stride, std::int64_t c_row_stride, const Epilogue<T>& epilogue = {},
          ProductPrecision precision = ProductPrecision::full);

}  // namespace weft::cuda
