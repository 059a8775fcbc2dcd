#pragma once
// Where the pixels of an image lie (spec 9.1). nvcc reads it.

#include <cstdint>

#include "weft/core/hd.h"

namespace weft {

/// y[i] = row and column of pixel i, each from -1 to 1: a body of core/loop.h, over the pixels of an image.
template <class T>
struct PixelPlaces {
  static constexpr const char* name = "pixel_places";
  T* y;
  std::int64_t rows, columns;
};

#define WEFT_PIXEL_LOOPS(X) \
  X(PixelPlaces<float>)     \
  X(PixelPlaces<double>)

inline namespace WEFT_ISA {

/// Place i of n from -1 to 1; the middle where there is one alone.
template <class T>
WEFT_HD T pixel_place(std::int64_t i, std::int64_t n) {
  return n > 1 ? static_cast<T>(2 * i - (n - 1)) / static_cast<T>(n - 1) : T(0);
}

template <class T>
WEFT_HD void loop_at(const PixelPlaces<T>& b, std::int64_t i) {
  b.y[2 * i] = pixel_place<T>(i / b.columns, b.rows);
  b.y[2 * i + 1] = pixel_place<T>(i % b.columns, b.columns);
}

}  // namespace WEFT_ISA
}  // namespace weft
