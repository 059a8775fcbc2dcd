#pragma once
// The tables that the kernels' sources fill from the lists of operations; cuda/kernels.cpp picks from them.

#include "weft/cuda/copy_shape.h"
#include "weft/nn/optim_rules.h"
#include "weft/ops/pointwise_kernels.h"
#include "weft/ops/rows_kernels.h"

namespace weft::cuda {

extern const PointwiseKernels pointwise_kernels;
extern const RowKernels row_kernels;

template <class T>
using UpdateLaunch = void (*)(const UpdateRule& rule, double learning_rate, std::int64_t step, std::int64_t n,
                              T* values, const T* grads, T* first, T* second, int* spoiled);
struct UpdateLaunches {
  UpdateLaunch<float> of_float[static_cast<int>(UpdateRule::Kind::count)];
  UpdateLaunch<double> of_double[static_cast<int>(UpdateRule::Kind::count)];
};
extern const UpdateLaunches update_kernels;

// Numbers of T, and between the dtypes in the order of core/dtype.h.
struct MoveLaunches {
  void (*fill[4])(void* y, std::int64_t n, double value);
  void (*convert[4][4])(void* y, const void* x, std::int64_t n);  ///< [from][to]
  void (*copy_strided[4])(void* y, const void* x, const CopyShape& shape);
};
extern const MoveLaunches move_kernels;

struct RandomLaunches {
  using Fill = void (*)(void* y, std::int64_t n, std::uint64_t seed, std::uint64_t purpose, double low, double scale);
  Fill uniform[2], normal[2];
  void (*permutation_words)(std::uint64_t* y, std::int64_t n, std::uint64_t seed, std::uint64_t purpose);
};
extern const RandomLaunches random_kernels;

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

}  // namespace weft::cuda
