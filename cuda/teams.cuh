#pragma once
// The hardware's teams: a warp by shuffles, a block by a warp's shuffles and shared memory.

#include "weft/cuda/teams.h"

namespace weft::cuda::inline WEFT_ISA {

/// The value of the lane whose number differs in one bit.
struct Shuffle {
  template <class T>
  __device__ T operator()(T value, int distance) const {
    return __shfl_xor_sync(0xffffffffu, value, distance);
  }
};

struct Warp {
  static constexpr int lanes = warp_size;

  __device__ static int lane() { return static_cast<int>(threadIdx.x % warp_size); }

  template <class F>
  __device__ void each(std::int64_t n, const F& f) const {
    for (std::int64_t i = lane(); i < n; i += warp_size) f(i);
    __syncwarp();
  }
  template <class T, class Part, class Fold>
  __device__ T fold(const Part& part, const Fold& fold) const {
    return butterfly<warp_size>(part(lane()), Shuffle{}, fold);
  }
};

/// All `Warps` warps of a block on one row.
template <int Warps>
struct Block {
  static constexpr int lanes = Warps * warp_size;

  template <class F>
  __device__ void each(std::int64_t n, const F& f) const {
    for (std::int64_t i = threadIdx.x; i < n; i += lanes) f(i);
    __syncthreads();
  }
  template <class T, class Part, class Fold>
  __device__ T fold(const Part& part, const Fold& fold) const {
    __shared__ T of_warp[Warps];
    const T mine = butterfly<warp_size>(part(static_cast<int>(threadIdx.x)), Shuffle{}, fold);
    if (threadIdx.x % warp_size == 0) of_warp[threadIdx.x / warp_size] = mine;
    __syncthreads();
    const T all = butterfly<Warps>(of_warp[threadIdx.x % Warps], Shuffle{}, fold);
    __syncthreads();  // the next fold writes of_warp again
    return all;
  }
};

}  // namespace weft::cuda::inline WEFT_ISA
