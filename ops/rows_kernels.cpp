// Compiled once per instruction set: the row bodies in the CPU loop.

#include "weft/ops/rows_kernels.h"

namespace weft::inline WEFT_ISA {

#define WEFT_ROW(Op, function) \
  {{rows_forward<Op, float>, rows_vjp<Op, float>}, {rows_forward<Op, double>, rows_vjp<Op, double>}},

extern const RowKernels row_kernels;
const RowKernels row_kernels = {{WEFT_ROW_OPS(WEFT_ROW)}};

}  // namespace weft::inline WEFT_ISA
