#pragma once
// E of WQ, WK and WV (spec 3.1): out_{e,h,jk} = Φ_{e d j p} in_{d,h,pk}. Products for all heads of several networks,
// [e D, d D] by [d D, networks h k], so that Φ is seldom read.

#include "weft/nfn/transformer/sizes.h"

namespace weft::transformer {

/// One tensor of one call; k is Dk or Dv.
template <class T>
struct HeadMix {
  Sizes z;
  std::int64_t k;
  const T *in, *phi;

  std::int64_t columns(std::int64_t networks) const { return networks * z.h * k; }
  /// Numbers from row to row of [d D, batch h k]: a line of cache more, for rows a power of two apart meet in few sets.
  std::int64_t stride(std::int64_t networks) const { return padded(columns(networks)) + 16; }
  /// Networks of one product forward: as many as fill the tiles of a product in the second cache.
  std::int64_t grain() const { return std::max<std::int64_t>(1, 128 / (z.h * k)); }
  /// Φ [e, d, j, p] as a matrix [(e, j), (d, p)].
  const T* matrix(Arena& arena) const;
  /// Numbers of scratch memory that forward() takes.
  std::int64_t scratch() const { return padded((z.d + z.e) * z.D * stride(grain())); }
  /// The outputs of networks [net, net + grain()), by the calling thread.
  void forward(const T* matrix, std::int64_t net, T* out, T* scratch) const;
  /// gy: of the output. g_in: added to what stands there; null where it is not wanted.
  void vjp(const T* gy, const Grad<T>& g_phi, T* g_in, Arena& arena) const;
};

}  // namespace weft::transformer
