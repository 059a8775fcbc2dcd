#pragma once
// Types of the tables of kernels that a device provides (core/backend.h) for what core does. Light: nvcc reads it.

#include <cstdint>

namespace weft {

/// Sizes, slowest first, and how far apart the numbers lie along each axis, in numbers.
struct CopyShape {
  static constexpr int max_rank = 8;
  int rank = 0;
  std::int64_t size[max_rank] = {}, to[max_rank] = {}, from[max_rank] = {};

  std::int64_t numel() const {
    std::int64_t n = 1;
    for (int a = 0; a < rank; ++a) n *= size[a];
    return n;
  }
};

/// What Tensor does with its numbers, by dtype in the order of core/dtype.h.
struct MoveKernels {
  void (*fill[4])(void* y, std::int64_t n, double value);
  void (*convert[4][4])(void* y, const void* x, std::int64_t n);  ///< [from][to]
  /// y and x with strides of their own; y never overlaps x.
  void (*copy_strided[4])(void* y, const void* x, const CopyShape& shape);
};

/// float32, float64: what fill_uniform() draws from a = low to b = high, and fill_normal() with mean a and deviation b,
/// of a counted key where `counter` is not null.
struct RandomKernels {
  using Fill = void (*)(void* y, std::int64_t n, std::uint64_t seed, std::uint64_t purpose,
                        const std::uint64_t* counter, double a, double b);
  Fill uniform[2], normal[2];
};

/// The launch of one body of core/loop.h's loop() or team_loop().
template <class Body>
struct LoopKernel {
  void (*run)(const Body& body, std::int64_t n);
};
template <class Body>
struct TeamLoopKernel {
  void (*run)(const Body& body, std::int64_t n);
};

}  // namespace weft
