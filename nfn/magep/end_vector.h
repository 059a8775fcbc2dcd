#pragma once
// Where the terms of layer L stand in the vector that they are mixed from. Light: nvcc reads it.

#include <cstdint>

#include "weft/core/hd.h"

namespace weft::magep {

/// What b^(L) of E and I are mixed from (spec 2.2, 2.3): one vector per network, its terms one after another, each in
/// the order of its phi's indices.
struct EndVector {
  std::int64_t prefix, WW, bW, Wb, trace_WW, trace_bW, b, size;

  /// L, widths and channels as Sizes names them.
  template <class Sizes>
  WEFT_HD explicit EndVector(const Sizes& z) {
    const std::int64_t matrix = z.d * z.nL() * z.n0(), vector = z.d * z.nL(), traces = z.d * (z.L() - 1);
    prefix = 0;              // [W]^(L,0)        [d, p, q]
    WW = prefix + matrix;    // [WW]^(L,0)(L,0)  [d, p, q]
    bW = WW + matrix;        // [bW]^(L)(L,0)    [d, p, q]
    Wb = bW + matrix;        // Σ_t [Wb]^(L,t)   [d, p]
    trace_WW = Wb + vector;  // [d, s]
    trace_bW = trace_WW + traces;
    b = trace_bW + traces;  // b^(L)            [d, p]
    size = b + vector;
  }
};

}  // namespace weft::magep
