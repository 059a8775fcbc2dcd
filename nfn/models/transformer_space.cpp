#include "weft/nfn/models/transformer_space.h"

#include <optional>

#include "weft/core/error.h"
#include "weft/nfn/forward.h"

namespace weft {
namespace {

std::optional<TransformerSizes> sizes_of(const Space& space) {
  auto axes = [&](const char* name) {
    const int tensor = space.find_tensor(name);
    return tensor < 0 ? Shape{} : space.axes_shape(tensor);
  };
  const Shape q = axes("WQ.0"), v = axes("WV.0"), a = axes("WA.0"), e = axes("WE"), c = axes("W1"), out = axes("W2");
  if (q.rank() != 3 || v.rank() != 3 || a.rank() != 2 || c.rank() != 2 || out.rank() != 2) return {};
  const std::size_t ends = e.rank() == 2 ? 6 : 4;
  const int blocks = static_cast<int>((space.tensors().size() - ends) / transformer_block_tensors);
  const TransformerSizes n{{q[1], a[1], q[0], q[2], v[2], blocks}, {e.rank() == 2 ? e[0] : 0, c[0], out[0]}};
  if (blocks < 2 || !(space == transformer_network_space(n.shape, n.ends))) return {};
  return n;
}

}  // namespace

bool is_transformer(const Space& space) { return sizes_of(space).has_value(); }

TransformerSizes transformer_sizes(const Space& space) {
  if (const auto sizes = sizes_of(space)) return *sizes;
  throw TypeError(
      "[transformer_sizes] space '{}'; allowed: a whole transformer, as transformer_network_space() names it",
      space.str());
}

}  // namespace weft
