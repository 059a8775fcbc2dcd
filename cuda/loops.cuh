#pragma once
// The CUDA loops of the pointwise, row and update families. The bodies are the ops' own, the same that the CPU loops
// run.

#include <cstdint>

#include "weft/core/hd.h"
#include "weft/core/team.h"
#include "weft/nn/optim_rules.h"

namespace weft::inline WEFT_ISA {

template <class Op, class T>
__global__ void unary_kernel(const T* x, T* y, std::int64_t n, T p) {
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.x;
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += step) y[i] = Op::f(x[i], p);
}

template <class Op, class T>
__global__ void unary_vjp_kernel(const T* x, const T* y, const T* gy, T* gx, bool accumulate, std::int64_t n, T p) {
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.x;
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += step)
    gx[i] = (accumulate ? gx[i] : T(0)) + gy[i] * Op::df(x[i], y[i], p);
}

template <class Op, class T>
__global__ void binary_kernel(const T* a, const T* b, T* y, std::int64_t n) {
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.x;
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += step) y[i] = Op::f(a[i], b[i]);
}

/// One warp per row: lanes stride over it, sums fold in a fixed butterfly, so that the result never depends on timing.
struct WarpTeam {
  static constexpr unsigned all = 0xffffffffu;
  __device__ static int lane() { return static_cast<int>(threadIdx.x % 32); }

  template <class F>
  __device__ void each(std::int64_t n, const F& f) const {
    for (std::int64_t i = lane(); i < n; i += 32) f(i);
    __syncwarp();
  }
  template <class T, class F>
  __device__ T sum(std::int64_t n, const F& f) const {
    T part = 0;
    for (std::int64_t i = lane(); i < n; i += 32) part += f(i);
    for (int half = 16; half > 0; half /= 2) part += __shfl_xor_sync(all, part, half);
    return part;
  }
  template <class T, class F>
  __device__ T max(std::int64_t n, T low, const F& f) const {
    T best = low;
    for (std::int64_t i = lane(); i < n; i += 32) {
      const T v = f(i);
      best = best > v ? best : v;
    }
    for (int half = 16; half > 0; half /= 2) {
      const T v = __shfl_xor_sync(all, best, half);
      best = best > v ? best : v;
    }
    return best;
  }
};

template <class T>
struct StoreDenseRow {
  T* gx;
  bool accumulate;
  __device__ void operator()(std::int64_t i, T v) const { gx[i] = accumulate ? gx[i] + v : v; }
};

template <class Op, class T>
__global__ void rows_kernel(const T* x, T* y, std::int64_t rows, std::int64_t n) {
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.x / 32;
  for (std::int64_t r = (std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x) / 32; r < rows; r += step)
    Op::template row<T>(WarpTeam{}, DenseRow<const T>{x + r * n}, DenseRow<T>{y + (Op::reduces ? r : r * n)}, n);
}

template <class Op, class T>
__global__ void rows_vjp_kernel(const T* x, const T* y, const T* gy, T* gx, bool accumulate, std::int64_t rows,
                                std::int64_t n) {
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.x / 32;
  for (std::int64_t r = (std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x) / 32; r < rows; r += step) {
    const std::int64_t in = r * n, out = Op::reduces ? r : in;
    using R = DenseRow<const T>;
    Op::template row_vjp<T>(WarpTeam{}, R{x + in}, R{y + out}, R{gy + out}, StoreDenseRow<T>{gx + in, accumulate}, n);
  }
}

/// One step of an optimiser; `spoiled` becomes 1 when a gradient is not finite.
template <class Body, class T>
__global__ void update_kernel(Body body, T* values, const T* grads, T* first, T* second, std::int64_t n, int* spoiled) {
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.x;
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += step) {
    if (grads[i] - grads[i] != T(0)) *spoiled = 1;
    update_at(body, i, values, grads, first, second);
  }
}

}  // namespace weft::inline WEFT_ISA
