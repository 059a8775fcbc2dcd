#pragma once
// The table of row kernels of one instruction set, or of CUDA: op x dtype (float32, float64).

#include "weft/core/rows.h"
#include "weft/ops/rows_ops.h"

namespace weft {

#define WEFT_NAME(Op, ...) Op,
enum class RowOp : int { WEFT_ROW_OPS(WEFT_NAME) count };
#undef WEFT_NAME

struct RowKernels {
  RowKernel op[static_cast<int>(RowOp::count)][2];
};

}  // namespace weft
