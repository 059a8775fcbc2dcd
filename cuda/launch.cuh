#pragma once
// Launches: one kernel for every body of a range, three for rows. Every launch is checked under the operation's name.

#include "weft/cuda/bodies.h"
#include "weft/cuda/launched.h"
#include "weft/cuda/loop_bodies.h"
#include "weft/cuda/rows_loop.h"
#include "weft/cuda/teams.cuh"

namespace weft::cuda::inline WEFT_ISA {

inline constexpr int block_threads = row_block_warps * warp_size;
/// More blocks than any device runs at once; the loops go on from there.
inline constexpr std::int64_t most_blocks = 4096;

inline unsigned blocks(std::int64_t work, std::int64_t work_of_block) {
  const std::int64_t n = (work + work_of_block - 1) / work_of_block;
  return static_cast<unsigned>(n < most_blocks ? n : most_blocks);
}

/// Blocks an SM that a body of core/loop.h is compiled for: what its `registers` allow, else the usual number.
template <class Body>
constexpr int loop_blocks(int usual) {
  if constexpr (requires { Body::registers; })
    return 65536 / (block_threads * Body::registers);
  else
    return usual;
}

/// Blocks an SM that a range's kernel is compiled for; 0: as ptxas likes. Left to itself with double's exp, or with the
/// bodies of core/loop.h, it spills.
template <class Body>
inline constexpr int range_blocks = Body::width == pack_width<double> ? 3 : 0;
template <class Body>
inline constexpr int range_blocks<LoopBody<Body>> = loop_blocks<Body>(3);

template <class Body>
__global__ void __launch_bounds__(block_threads, range_blocks<Body>)
    range_kernel(const __grid_constant__ Body body, const __grid_constant__ PackRange s) {
  range_loop<Body::width>(body, s, std::int64_t{blockIdx.x} * block_threads + threadIdx.x,
                          std::int64_t{gridDim.x} * block_threads);
}

template <class Body>
void launch_range(const char* op, const Body& body, const PackRange& s) {
  const std::int64_t singles = s.singles(), work = s.packs > singles ? s.packs : singles;
  if (work <= 0) return;  // CUDA refuses a grid of no blocks
  range_kernel<<<blocks(work, block_threads), block_threads, 0, launch_stream()>>>(body, s);
  launched(op);
}

/// Blocks an SM that row kernels are compiled for: the most that let none of them spill. They leave a thread 48
/// registers for float, 80 for double; left to itself, ptxas spills some to fit more.
template <class T>
inline constexpr int row_blocks = sizeof(T) == 4 ? 5 : 3;

template <class Op, class Work>
__global__ void __launch_bounds__(block_threads, row_blocks<typename Work::Number>)
    rows_by_thread_kernel(const Work work, const RowShape s) {
  rows_loop<Op, false>(work, ThreadTeam{}, s, std::int64_t{blockIdx.x} * block_threads + threadIdx.x,
                       std::int64_t{gridDim.x} * block_threads);
}

template <class Op, class Work>
__global__ void __launch_bounds__(block_threads, row_blocks<typename Work::Number>)
    rows_by_warp_kernel(const Work work, const RowShape s) {
  rows_loop<Op, true>(work, LaneTeam<Warp>{}, s,
                      std::int64_t{blockIdx.x} * row_block_warps + threadIdx.x / static_cast<unsigned>(warp_size),
                      std::int64_t{gridDim.x} * row_block_warps);
}

template <class Op, class Work>
__global__ void __launch_bounds__(block_threads, row_blocks<typename Work::Number>)
    rows_by_block_kernel(const Work work, const RowShape s) {
  rows_loop<Op, true>(work, LaneTeam<Block<row_block_warps>>{}, s, blockIdx.x, gridDim.x);
}

template <class Op, class Work>
void launch_rows(const Work& work, RowShape s) {
  const std::int64_t rows = s.outer * s.inner;
  if (rows <= 0) return;
  CUstream_st* stream = launch_stream();
  switch (row_team(s)) {
    case RowTeam::thread:
      rows_by_thread_kernel<Op><<<blocks(rows, block_threads), block_threads, 0, stream>>>(work, s);
      break;
    case RowTeam::warp:
      rows_by_warp_kernel<Op><<<blocks(rows, row_block_warps), block_threads, 0, stream>>>(work, s);
      break;
    case RowTeam::block:
      rows_by_block_kernel<Op><<<blocks(rows, 1), block_threads, 0, stream>>>(work, s);
      break;
  }
  launched(Op::name);
}

/// Blocks an SM that kernels of teams are compiled for as a rule, which leaves a thread 128 registers; left to itself,
/// ptxas spills some to fit more.
inline constexpr int team_blocks = 2;

/// Teams of one warp, eight to a block, or of one block.
template <class Body>
__global__ void __launch_bounds__(block_threads, loop_blocks<Body>(team_blocks))
    team_loop_kernel(const __grid_constant__ Body body, const std::int64_t n, const std::int64_t scratch_bytes) {
  extern __shared__ uint4 scratch[];
  constexpr int warps = Body::lanes / warp_size, teams = row_block_warps / warps;
  const int team = static_cast<int>(threadIdx.x) / Body::lanes;
  char* own = reinterpret_cast<char*>(scratch) + team * scratch_bytes;
  for (std::int64_t i = std::int64_t{blockIdx.x} * teams + team; i < n; i += std::int64_t{gridDim.x} * teams) {
    if constexpr (warps == 1)
      loop_row(body, LaneTeam<Warp>{}, i, static_cast<void*>(own));
    else
      loop_row(body, LaneTeam<Block<warps>>{}, i, static_cast<void*>(own));
  }
}

template <class Body>
void launch_team_loop(const Body& body, std::int64_t n) {
  static_assert(Body::lanes == warp_size || Body::lanes == block_threads);
  if (n <= 0) return;
  constexpr std::int64_t teams = block_threads / Body::lanes, plain = 48 << 10;
  const std::int64_t scratch = (body.scratch_bytes() + 15) / 16 * 16, shared = teams * scratch;
  if (shared > plain) {
    cudaFuncSetAttribute(team_loop_kernel<Body>, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared));
    launched(Body::name);
  }
  team_loop_kernel<Body>
      <<<blocks(n, teams), block_threads, static_cast<std::size_t>(shared), launch_stream()>>>(body, n, scratch);
  launched(Body::name);
}

}  // namespace weft::cuda::inline WEFT_ISA
