// The row operations of the list: a new one needs no line here.

#include "weft/cuda/launch.h"
#include "weft/cuda/tables.h"

namespace weft::cuda::inline WEFT_ISA {
namespace {

template <class Op, class T>
void rows_forward(RowShape s, const void* x, void* y) {
  launch_rows<Op>(RowsForward<T>{static_cast<const T*>(x), static_cast<T*>(y)}, s);
}

template <class Op, class T>
void rows_vjp(RowShape s, const void* x, const void* y, const void* gy, void* gx, bool accumulate) {
  launch_rows<Op>(RowsVjp<T>{static_cast<const T*>(x), static_cast<const T*>(y), static_cast<const T*>(gy),
                             static_cast<T*>(gx), accumulate},
                  s);
}

}  // namespace

#define WEFT_ROW(Op, function) \
  {{rows_forward<Op, float>, rows_vjp<Op, float>}, {rows_forward<Op, double>, rows_vjp<Op, double>}},

const RowKernels row_kernels = {{WEFT_ROW_OPS(WEFT_ROW)}};

}  // namespace weft::cuda::inline WEFT_ISA
