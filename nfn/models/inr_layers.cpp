#include "weft/nfn/models/inr_layers.h"

#include <algorithm>

#include "weft/groups/derive.h"
#include "weft/ops/pointwise.h"
#include "weft/ops/view.h"

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

Features with_update(const Features& x, const Features& update) {
  const auto outputs = static_cast<std::size_t>(update.channels());
  if (outputs == 1) return x + update;
  const std::size_t tensors = x.vars().size();
  const std::span<Var> edited = x.tape().variables(tensors), copies = x.tape().variables(outputs);
  for (std::size_t t = 0; t < tensors; ++t) {
    std::ranges::fill(copies, x.vars()[t]);
    edited[t] = add(concat(copies, 1), update.vars()[t]);
  }
  return {x.space(), edited};
}

}  // namespace weft
