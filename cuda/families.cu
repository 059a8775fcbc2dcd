// Instantiates the pointwise, row and update families for CUDA from their own bodies: what compiles here compiles for
// every entry of the lists.

#include "weft/cuda/loops.cuh"
#include "weft/nn/optim_rules.h"
#include "weft/ops/pointwise_ops.h"
#include "weft/ops/rows_ops.h"

namespace weft::inline WEFT_ISA {

#define WEFT_UNARY(Op, function, parameter)                                                                         \
  template __global__ void unary_kernel<Op, float>(const float*, float*, std::int64_t, float);                      \
  template __global__ void unary_kernel<Op, double>(const double*, double*, std::int64_t, double);                  \
  template __global__ void unary_vjp_kernel<Op, float>(const float*, const float*, const float*, float*, bool,      \
                                                       std::int64_t, float);                                        \
  template __global__ void unary_vjp_kernel<Op, double>(const double*, const double*, const double*, double*, bool, \
                                                        std::int64_t, double);
#define WEFT_BINARY(Op, function)                                                                      \
  template __global__ void binary_kernel<Op, float>(const float*, const float*, float*, std::int64_t); \
  template __global__ void binary_kernel<Op, double>(const double*, const double*, double*, std::int64_t);
#define WEFT_ROWS(Op, function)                                                                                    \
  template __global__ void rows_kernel<Op, float>(const float*, float*, std::int64_t, std::int64_t);               \
  template __global__ void rows_kernel<Op, double>(const double*, double*, std::int64_t, std::int64_t);            \
  template __global__ void rows_vjp_kernel<Op, float>(const float*, const float*, const float*, float*, bool,      \
                                                      std::int64_t, std::int64_t);                                 \
  template __global__ void rows_vjp_kernel<Op, double>(const double*, const double*, const double*, double*, bool, \
                                                       std::int64_t, std::int64_t);
#define WEFT_UPDATE(kind, Body)                                                                                  \
  template __global__ void update_kernel(Body<float>, float*, const float*, float*, float*, std::int64_t, int*); \
  template __global__ void update_kernel(Body<double>, double*, const double*, double*, double*, std::int64_t, int*);

WEFT_UNARY_OPS(WEFT_UNARY)
WEFT_BINARY_OPS(WEFT_BINARY)
WEFT_ROW_OPS(WEFT_ROWS)
WEFT_UPDATE_RULES(WEFT_UPDATE)

}  // namespace weft::inline WEFT_ISA
