#pragma once

#include <cstdint>

namespace weft::cuda {

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

}  // namespace weft::cuda
