#pragma once
// The tables that the kernels' sources fill from the lists of operations; cuda/backend.cpp provides them.

#include "weft/core/device_kernels.h"
#include "weft/nn/optim_kernels.h"
#include "weft/ops/product.h"
#include "weft/ops/rows_kernels.h"

namespace weft::cuda::inline WEFT_ISA {

extern const PointwiseKernels pointwise_kernels;
extern const RowKernels row_kernels;

extern const DeviceUpdateKernels update_kernels;
extern const MoveKernels move_kernels;
extern const RandomKernels random_kernels;
extern const ProductKernels product_kernels;

/// c = f(c + bias), c: [batch, m, n]; see core/gemm.h's epilogue.
template <class T>
struct GemmFinishArguments {
  T* c;
  std::int64_t batch, m, n, batch_stride, row_stride;
  const T* bias;
  bool bias_per_row;
  std::int64_t bias_batch_stride;
};
template <class T>
using FinishLaunch = void (*)(const GemmFinishArguments<T>& arguments);
/// The last entry is without an activation.
struct FinishLaunches {
  FinishLaunch<float> of_float[static_cast<int>(UnaryOp::count) + 1];
  FinishLaunch<double> of_double[static_cast<int>(UnaryOp::count) + 1];
};
extern const FinishLaunches finish_kernels;

/// The launches of one body of core/loop.h, for all that cuda/loop_lists.h names.
template <class Body>
void run_loop(const Body& body, std::int64_t n);
template <class Body>
void run_team_loop(const Body& body, std::int64_t n);

}  // namespace weft::cuda::inline WEFT_ISA
