#pragma once
// The sinusoidal encoding of positions: a body of core/loop.h.

#include <cstdint>

#include <math.h>

#include "weft/core/hd.h"

namespace weft {

/// y[b, c, i, j] is the encoding of row i, if rows have positions, plus that of column j, if columns have: over the
/// numbers of y [.., channels, rows, columns].
template <class T>
struct Positions {
  static constexpr const char* name = "positions";
  T* y;
  std::int64_t channels, rows, columns;
  bool by_row, by_column;
};

#define WEFT_POSITION_LOOPS(X) \
  X(Positions<float>)          \
  X(Positions<double>)

inline namespace WEFT_ISA {

/// Sine (even channels) or cosine (odd ones) of a position, at wavelengths from 2π to 10 000 · 2π.
WEFT_HD double sinusoid(std::int64_t position, std::int64_t channel, std::int64_t channels) {
  const double rate = ::pow(1e4, -static_cast<double>(channel / 2 * 2) / static_cast<double>(channels));
  const double phase = static_cast<double>(position) * rate;
  return channel % 2 ? ::cos(phase) : ::sin(phase);
}

template <class T>
WEFT_HD void loop_at(const Positions<T>& b, std::int64_t at) {
  const std::int64_t j = at % b.columns, i = at / b.columns % b.rows, c = at / (b.columns * b.rows) % b.channels;
  b.y[at] =
      static_cast<T>((b.by_row ? sinusoid(i, c, b.channels) : 0) + (b.by_column ? sinusoid(j, c, b.channels) : 0));
}

}  // namespace WEFT_ISA
}  // namespace weft
