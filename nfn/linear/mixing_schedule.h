#pragma once
// The schedule of LinearLayer on lists with sums and broadcasts. Internal to nfn/linear.

#include "weft/nfn/linear/mixing.h"
#include "weft/nfn/linear/schedule.h"

namespace weft::linear {

template <class T>
struct MixingCall : Call<T> {
  const Mixing* mixing = nullptr;
  T** stacked = nullptr;  ///< by mix: its views of the features, [rows_in, batch columns]
  T** phis = nullptr;     ///< by mix: [rows_out, rows_in]
};

/// Sums of every network, one product per mix over the batch, then every network's output: broadcasts written, and the
/// direct product added to them.
template <class T>
void forward(MixingCall<T>& call, Arena& arena);
/// The same backwards: sums of the cotangents, two products per mix, and every network's gradient written at once.
template <class T>
void vjp(const MixingCall<T>& call, const CallGradients<T>& g, Arena& arena);

}  // namespace weft::linear
