#pragma once
// E of WQ, WK and WV (spec 3.1): out_{e,h,jk} = Φ_{e d j p} in_{d,h,pk}. One product for all networks and heads of a
// batch, [e D, d D] by [d D, batch h k], so that Φ is read once.

#include "weft/nfn/transformer/sizes.h"

namespace weft::transformer {

/// One tensor of one call; k is Dk or Dv.
template <class T>
struct HeadMix {
  Sizes z;
  std::int64_t k;
  const T *in, *phi;

  std::int64_t columns() const { return z.batch * z.h * k; }
  /// Numbers from row to row of [d D, batch h k]: a line of cache more, for rows a power of two apart meet in few sets.
  std::int64_t stride() const { return padded(columns()) + 16; }
  void forward(T* out, Arena& arena) const;
  /// gy: of the output. g_in: added to what stands there; null where it is not wanted.
  void vjp(const T* gy, const Grad<T>& g_phi, T* g_in, Arena& arena) const;
};

}  // namespace weft::transformer
