#pragma once
// Where the pixels of an image lie (spec 9.1). nvcc reads it.

#include <cstdint>

#include "weft/core/hd.h"

namespace weft::inline WEFT_ISA {

/// Place i of n from -1 to 1; the middle where there is one alone.
template <class T>
WEFT_HD T pixel_place(std::int64_t i, std::int64_t n) {
  return n > 1 ? static_cast<T>(2 * i - (n - 1)) / static_cast<T>(n - 1) : T(0);
}

}  // namespace weft::inline WEFT_ISA
