#pragma once
// What the products of small networks have in common: the sizes of their tiles. Included by kernel sources only (see
// core/isa.h).

#include "weft/core/gemm_vector.h"

namespace weft::inline WEFT_ISA {

/// Rows of a tile of the result: as many accumulators as registers allow, and no more addresses than there are integer
/// registers for.
template <int vectors>
inline constexpr int product_rows = vector_registers == 32 ? 12
                                    : vectors == 2         ? (vector_bytes == 32 ? 6 : 4)
                                                           : 8;
/// Weights of a tile of the weights' gradient.
template <int vectors>
inline constexpr int gradient_rows = (vector_registers == 32 ? 24 : 12) / vectors;

/// NaN stays NaN.
inline Vector<float> relu(Vector<float> x) { return x < 0.f ? Vector<float>{} : x; }

}  // namespace weft::inline WEFT_ISA
