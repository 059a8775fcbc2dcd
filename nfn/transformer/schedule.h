#pragma once
// One call of E (spec 3.1): what its forward pass computes, saves and takes back. Internal to nfn/transformer.
//
//   global terms    y [batch, outputs]: global.h
//   WQ WK WV        one product for the batch: heads.h
//   axis A          everything on the axis k of WA, bA and j of WB that is mixed from WB, Σ_p WA and bA:
//                   C [batch, A, 2 e + e D] = by_column [batch, A, d (D + 2)] M^T + y: one product; its columns are the
//                   outputs e of WA, e of bA and (e, k) of WB
//   row axis of WA  [e, D] = N [e, d (D + 1)] by_row [d (D + 1), D]
// then one pass per network writes the outputs.

#include "weft/nfn/transformer/features.h"
#include "weft/nfn/transformer/heads.h"

namespace weft::transformer {

template <class T>
struct Schedule {
  AxisTable axis;
  GlobalCall<T> global;
  Block<T> block;
  T* out[tensors];
  std::int64_t learned;  ///< tensors of the list

  const Sizes& z() const { return block.z; }
  /// Columns of C.
  std::int64_t mixed() const { return z().e * (z().D + 2); }
  const T* phi(int number) const { return global.phi[number]; }
  const T* WA_as_read(std::int64_t net) const {
    return block.read_WA ? block.read_WA + net * z().d * z().size(WA) : block.input(WA, net);
  }
  T* output(int tensor, std::int64_t net) const { return out[tensor] + net * z().e * z().size(tensor); }
};

template <class T>
void forward(const Schedule<T>& s, Arena& arena);

/// Cotangents of the outputs are inputs of `back`; the learned tensors come after the features.
template <class T>
void vjp(const Schedule<T>& s, Backward& back);

/// M [2 e + e D, d (D + 2)] of the axis A, in the arena.
template <class T>
T* axis_matrix(const Schedule<T>& s, Arena& arena);
/// N [e, d (D + 1)] of the rows of WA.
template <class T>
T* row_matrix(const Schedule<T>& s, Arena& arena);

}  // namespace weft::transformer
