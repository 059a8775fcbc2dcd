#pragma once
// Sizes and memory layout shared by the schedules of Transformer-NFN's E and I (spec 3). All numbers of one network are
// contiguous; a batch is network after network.

#include "weft/core/error.h"
#include "weft/groups/space.h"
#include "weft/nfn/schedule.h"

namespace weft::transformer {

using namespace schedule;

/// The tensors of a block, in the order of transformer_space().
enum Tensors { WQ, WK, WV, WO, WA, bA, WB, bB, tensors };

/// One call: the block, channels, networks. A is D_A.
struct Sizes {
  std::int64_t h = 0, D = 0, Dk = 0, Dv = 0, A = 0, d = 0, e = 0, batch = 0;

  /// Numbers of one channel of a tensor.
  std::int64_t size(int tensor) const {
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

  explicit GlobalVector(const Sizes& z) : sizes{z.D * z.D, z.D, 1, z.D, 1, z.D} {
    size = 0;
    for (int i = 0; i < pieces; ++i) at[i] = size, size += z.d * sizes[i];
  }
};

/// Reads the sizes of a block from its space. Throws UsageError for a space that is not that of one block.
Sizes block_sizes(const char* who, const Space& space, std::int64_t d, std::int64_t e);

}  // namespace weft::transformer
