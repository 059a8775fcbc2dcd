// What follows a product, for every activation of the list and for none.

#include "weft/cuda/launch.h"
#include "weft/cuda/tables.h"

namespace weft::cuda::inline WEFT_ISA {
namespace {

template <class T, class Activation>
void finish(const GemmFinishArguments<T>& a, Activation activation) {
  const GemmFinish<Activation, T> body{
      a.c, a.m, a.n, a.batch_stride, a.row_stride, a.bias, a.bias_per_row, a.bias_batch_stride, activation};
  launch_range("gemm", body, body.plan(a.batch));
}

template <class T>
void finish_plain(const GemmFinishArguments<T>& a) {
  finish<T>(a, Identity<T>{});
}

}  // namespace

#define WEFT_FLOAT(Op, function)                                                         \
  [](const GemmFinishArguments<float>& a) {                                              \
    finish<float>(a, Activate<Op, float>{static_cast<float>(parameter_of<Op>().usual)}); \
  },
#define WEFT_DOUBLE(Op, function) \
  [](const GemmFinishArguments<double>& a) { finish<double>(a, Activate<Op, double>{parameter_of<Op>().usual}); },

const FinishLaunches finish_kernels = {{WEFT_UNARY_OPS(WEFT_FLOAT) finish_plain<float>},
                                       {WEFT_UNARY_OPS(WEFT_DOUBLE) finish_plain<double>}};

}  // namespace weft::cuda::inline WEFT_ISA
