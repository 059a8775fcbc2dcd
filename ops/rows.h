#pragma once
// Operations on rows along one axis. Formula, vjp and type rule of each stand in ops/rows/<op>.h; the list is
// ops/rows_ops.h.

#include "weft/autograd/tape.h"
#include "weft/ops/rows_kernels.h"

namespace weft {

/// Along dimension `axis` of x, counted from the slowest; negative counts from the end. Reductions drop the axis.
/// Throws ShapeError for an axis that is not there or is empty, TypeError where the axis' group does not allow it.
Var rows(RowOp op, const Var& x, int axis);

/// As for pointwise operations (ops/pointwise.h).
const RowKernel& kernel(RowOp op, DType dtype, Backend* backend = nullptr);
const char* name(RowOp op);

#define WEFT_FUNCTION(Op, function) \
  inline Var function(const Var& x, int axis = -1) { return rows(RowOp::Op, x, axis); }
WEFT_ROW_OPS(WEFT_FUNCTION)
#undef WEFT_FUNCTION

}  // namespace weft
