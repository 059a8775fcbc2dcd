// Products as ops/product.h has them: a BLAS, and what follows as one more kernel, where the BLAS cannot do it as well.

#include <algorithm>

#include "weft/core/tensor.h"
#include "weft/cuda/device_backend.h"
#include "weft/cuda/gemm_plan.h"
#include "weft/cuda/tables.h"

namespace weft::cuda::inline WEFT_ISA {

namespace {

const FinishLaunch<float>* finish_table(float) { return finish_kernels.of_float; }
const FinishLaunch<double>* finish_table(double) { return finish_kernels.of_double; }

/// The operand as BLAS reads it, packed first where it must be.
template <class T>
BlasOperand prepare(Arena& scratch, std::int64_t batch, std::int64_t rows, std::int64_t columns,
                    GemmOperand<T>& operand) {
  const BlasOperand plan = plan_operand(rows, columns, operand.batch_stride, operand.row_stride, operand.column_stride);
  if (!plan.packed) return plan;
  const std::int64_t copies = plan.batch_stride == 0 ? 1 : batch;
  T* to = scratch.allocate_array<T>(static_cast<std::size_t>(copies * rows * columns));
  move_kernels.copy_strided[static_cast<int>(dtype_of<T>)](
      to, operand.data,
      {3,
       {copies, rows, columns},
       {rows * columns, columns, 1},
       {operand.batch_stride, operand.row_stride, operand.column_stride}});
  operand.data = to;
  return plan;
}

/// The product with what follows it in one launch, where the library has one.
bool fused(DeviceBackend& backend, const BlasProduct& product, const ProductEpilogue<float>& epilogue) {
  const FusedEnd end = plan_end(epilogue);
  return end != FusedEnd::none && backend.fused_product(product, {end, epilogue.bias, epilogue.bias_batch_stride});
}
bool fused(DeviceBackend&, const BlasProduct&, const ProductEpilogue<double>&) { return false; }

template <class T>
void launch(Arena& scratch, GemmShape s, GemmOperand<T> a, GemmOperand<T> b, T beta, T* c, std::int64_t c_batch_stride,
            std::int64_t c_row_stride, const ProductEpilogue<T>& epilogue) {
  if (s.batch < 0 || s.m < 0 || s.n < 0 || s.k < 0)
    throw ShapeError("[gemm] batch {}, m {}, n {}, k {}; allowed: 0 or more", s.batch, s.m, s.n, s.k);
  if (beta != T(0) && beta != T(1)) throw UsageError("[gemm] beta {}; allowed: 0, 1", beta);
  if (s.batch == 0 || s.m == 0 || s.n == 0) return;
  auto& backend = static_cast<DeviceBackend&>(*scratch.backend());
  const Arena::Mark mark = scratch.mark();
  bool ended = false;
  if (s.k > 0) {
    const BlasOperand pa = prepare(scratch, s.batch, s.m, s.k, a), pb = prepare(scratch, s.batch, s.k, s.n, b);
    // C' = B' A'
    const std::int64_t leading_c = std::max(c_row_stride, s.n);
    const BlasProduct columns{s.n,         s.m,           s.k,
                              s.batch,     pb.transposed, pa.transposed,
                              b.data,      pb.leading,    pb.batch_stride,
                              a.data,      pa.leading,    pa.batch_stride,
                              c,           leading_c,     c_batch_stride,
                              beta != T(0)};
    ended = fused(backend, columns, epilogue);
    if (!ended) backend.blas_product(columns, sizeof(T) == 8);
  } else if (beta == T(0)) {  // an empty sum
    T* zero = scratch.allocate_array<T>(1);
    constexpr int dtype = static_cast<int>(dtype_of<T>);
    move_kernels.fill[dtype](zero, 1, 0);
    move_kernels.copy_strided[dtype](c, zero, {3, {s.batch, s.m, s.n}, {c_batch_stride, c_row_stride, 1}, {0, 0, 0}});
  }
  if (!ended && (epilogue.bias || epilogue.activation)) {
    const int entry = static_cast<int>(epilogue.activation.value_or(UnaryOp::count));
    finish_table(T{})[entry]({c, s.batch, s.m, s.n, c_batch_stride, c_row_stride, epilogue.bias, epilogue.bias_per_row,
                              epilogue.bias_batch_stride});
  }
  scratch.rewind(mark);
}

}  // namespace

const ProductKernels product_kernels = {launch<float>, launch<double>};

}  // namespace weft::cuda::inline WEFT_ISA
