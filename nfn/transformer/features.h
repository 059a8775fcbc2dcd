#pragma once
// What E and I read of a block, network by network: the quadratic terms, sums over rows and columns, each once
// (spec 3.3). Activations apply to the tensors without GL axes, as they are read.

#include "weft/nfn/reading_schedule.h"
#include "weft/nfn/transformer/global.h"

namespace weft::transformer {

/// Inputs of one call, and what is made of them for E's axis-wise terms.
template <class T>
struct Block {
  Sizes z;
  const T* in[tensors];
  Reading<T> reading;
  T* read_WA = nullptr;    ///< E: WA as read [batch, d, D, A]; the input itself where nothing changes it
  T* by_row = nullptr;     ///< E: [batch, rows, D]: [VO]_pj with rows (d, p), then Σ_q WA_jq with rows d
  T* by_column = nullptr;  ///< E: [batch, A, columns]: WB_kq with columns (d, q), Σ_p WA_pk and bA_k with columns d

  std::int64_t rows() const { return z.d * (z.D + 1); }
  std::int64_t columns() const { return z.d * (z.D + 2); }
  const T* input(int tensor, std::int64_t net) const { return in[tensor] + net * z.d * z.size(tensor); }

  Block(const Sizes& sizes, std::span<const Var> inputs, const LayerInput& input, bool axis_wise, Arena& arena);

  /// Numbers of scratch memory that features() and features_vjp() take.
  std::int64_t scratch() const;
  /// The global vector of one network; with axis-wise terms their pieces too.
  void features(std::int64_t net, T* x, T* scratch) const;
};

/// Gradients of the inputs, by tensor.
template <class T>
struct BlockGradients {
  Grad<T> to[tensors];
  BlockGradients(Backward& back);
};

/// Adds up the gradients of one network's inputs, but for what the axis-wise maps of WQ WK WV WO WA give themselves.
///   gx         cotangent of the global vector
///   g_row      of by_row [rows, D], used up; null: zeros
///   g_column   of by_column [A, columns]; null: zeros
///   g_WA       of WA as read [d, D, A], what Φ7 of WA gives; null: zeros
/// WQ WK WV WO are added to what stands there if `beta` of their gradients says so.
template <class T>
void features_vjp(const Block<T>& block, std::int64_t net, const T* gx, const T* g_row, const T* g_column,
                  const T* g_WA, const BlockGradients<T>& g, T* scratch);

/// Throws for an activation that the block does not allow: abs, or one that is no pointwise operation of its tensors
/// without GL axes; and for dropout.
void check_block_input(const char* who, const LayerInput& input, const Space& space);

}  // namespace weft::transformer
