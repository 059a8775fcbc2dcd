#pragma once
// A block's tensors and sizes, and the vector that the global terms read (spec 3). Light: nvcc reads it.

#include <cstdint>

#include "weft/core/hd.h"

namespace weft::transformer {

/// The tensors of a block, in the order of transformer_space().
enum Tensors { WQ, WK, WV, WO, WA, bA, WB, bB, tensors };

/// One call: the block, channels, networks. A is D_A.
struct Sizes {
  std::int64_t h = 0, D = 0, Dk = 0, Dv = 0, A = 0, d = 0, e = 0, batch = 0;

  /// Numbers of one channel of a tensor.
  WEFT_HD std::int64_t size(int tensor) const {
    switch (tensor) {
      case WQ:
      case WK:
        return h * D * Dk;
      case WV:
      case WO:
        return h * D * Dv;
      case WA:
      case WB:
        return D * A;
      case bA:
        return A;
      default:
        return D;
    }
  }
};

/// What the global terms read (spec 3.3): one vector per network, each piece [d, its size].
struct GlobalVector {
  enum Piece { QK, VO, WA, WB, bA, bB, pieces };  ///< [QK]_pq, Σ_q [VO]_pq, Σ_pq WA_pq, Σ_p WB_pq, Σ_q bA_q, bB_q
  std::int64_t sizes[pieces], at[pieces], size;

  explicit GlobalVector(const Sizes& z) {
    size = 0;
    for (int i = 0; i < pieces; ++i) sizes[i] = size_of(i, z.D), at[i] = size, size += z.d * sizes[i];
  }

  /// Numbers of one channel of a piece; of the constant, which would come next, one.
  WEFT_HD static std::int64_t size_of(int piece, std::int64_t D) {
    return piece == QK ? D * D : piece == VO || piece == WB || piece == bB ? D : 1;
  }
  /// Where a piece stands among all pieces of one channel, and so, of `pieces`, how many numbers these have.
  WEFT_HD static std::int64_t before(int piece, std::int64_t D) {
    std::int64_t n = 0;
    for (int i = 0; i < piece; ++i) n += size_of(i, D);
    return n;
  }
};

}  // namespace weft::transformer
