#pragma once

#include "weft/core/backend.h"
#include "weft/cuda/gemm_plan.h"

namespace weft::cuda::inline WEFT_ISA {

/// One product as BLAS has it: column-major, C [m, n] = op(A) op(B) + beta C.
struct BlasProduct {
  std::int64_t m, n, k, batch;
  bool transpose_a, transpose_b;
  const void* a;
  std::int64_t lda, stride_a;
  const void* b;
  std::int64_t ldb, stride_b;
  void* c;
  std::int64_t ldc, stride_c;
  bool accumulate;  ///< beta is 1, else 0
};

/// What follows it: the bias runs along the rows of C, m numbers for each item of the batch.
struct FusedEpilogue {
  FusedEnd end;
  const float* bias;
  std::int64_t bias_stride;
};

/// A backend with the kernels of this folder: a GPU, or its emulation in the tests.
class DeviceBackend : public Backend {
 public:
  virtual void blas_product(const BlasProduct& product, bool is_double) = 0;
  /// A product of float32 with what follows it, in one launch. False, and nothing is done, where the library has no
  /// kernel for it: the same answer every time.
  virtual bool fused_product(const BlasProduct& product, const FusedEpilogue& epilogue) = 0;

 protected:
  DeviceBackend();
};

}  // namespace weft::cuda::inline WEFT_ISA
