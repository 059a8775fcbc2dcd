#include "weft/nfn/models/inr_layers.h"

#include "weft/groups/derive.h"

namespace weft {

std::string linear_terms(InrLayers kind, const std::vector<std::int64_t>& widths) {
  if (kind == InrLayers::magep || kind == InrLayers::monomial) {
    const Space space = mlp_space(widths, FactorKind::positive_monomial);
    return derive_linear(space, space);
  }
  Space space = mlp_space(widths, FactorKind::permutation);
  if (kind == InrLayers::np) space = space.with_kind(FactorKind::fixed, FactorKind::permutation);
  return derive_linear(space, space, {.means = true});
}

}  // namespace weft
