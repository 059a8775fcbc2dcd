// Compiled once per instruction set: the pointwise bodies in the CPU loops.

#include "weft/ops/pointwise_kernels.h"

#include "weft/core/pointwise.h"
#include "weft/ops/pointwise_ops.h"

namespace weft::inline WEFT_ISA {

#define WEFT_UNARY(Op, function) \
  {{unary_forward<Op, float>, unary_vjp<Op, float>}, {unary_forward<Op, double>, unary_vjp<Op, double>}},
#define WEFT_BINARY(Op, function) \
  {{binary_forward<Op, float>, binary_vjp<Op, float>}, {binary_forward<Op, double>, binary_vjp<Op, double>}},

#define WEFT_ACTIVATE_FLOAT(Op, function) \
  [](float* y, std::int64_t n) { unary_in_place<Op>(y, n, static_cast<float>(parameter_of<Op>().usual)); },
#define WEFT_ACTIVATE_DOUBLE(Op, function) \
  [](double* y, std::int64_t n) { unary_in_place<Op>(y, n, parameter_of<Op>().usual); },

extern const PointwiseKernels pointwise_kernels;
const PointwiseKernels pointwise_kernels = {{WEFT_UNARY_OPS(WEFT_UNARY)},
                                            {WEFT_BINARY_OPS(WEFT_BINARY)},
                                            {WEFT_UNARY_OPS(WEFT_ACTIVATE_FLOAT)},
                                            {WEFT_UNARY_OPS(WEFT_ACTIVATE_DOUBLE)}};

}  // namespace weft::inline WEFT_ISA
