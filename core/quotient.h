#pragma once
// Division for the bodies of kernels, which find their place by it. Light: nvcc reads it.

#include <cstdint>

#include "weft/core/hd.h"

namespace weft {
inline namespace WEFT_ISA {

/// a / b, neither negative; faster where 32 bits suffice, for a device has no division of 64.
WEFT_HD std::int64_t quotient(std::int64_t a, std::int64_t b) {
  if ((a | b) <= 0xffffffff) return static_cast<std::uint32_t>(a) / static_cast<std::uint32_t>(b);
  return a / b;
}

}  // namespace WEFT_ISA
}  // namespace weft
