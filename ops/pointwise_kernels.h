#pragma once
// The table of pointwise kernels of one instruction set, or of CUDA: op x dtype (float32, float64).

#include "weft/core/pointwise.h"
#include "weft/ops/pointwise_ops.h"

namespace weft {

#define WEFT_NAME(Op, ...) Op,
enum class UnaryOp : int { WEFT_UNARY_OPS(WEFT_NAME) count };
enum class BinaryOp : int { WEFT_BINARY_OPS(WEFT_NAME) count };
#undef WEFT_NAME

struct PointwiseKernels {
  UnaryKernel unary[static_cast<int>(UnaryOp::count)][2];
  BinaryKernel binary[static_cast<int>(BinaryOp::count)][2];
  /// y = f(y) on n neighbours, by the calling thread, with the default parameter: a product's epilogue.
  void (*activate_float[static_cast<int>(UnaryOp::count)])(float* y, std::int64_t n);
  void (*activate_double[static_cast<int>(UnaryOp::count)])(double* y, std::int64_t n);
};

}  // namespace weft
