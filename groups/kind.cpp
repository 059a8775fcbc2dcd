#include "weft/groups/kind.h"

namespace weft {

FactorKind effective_kind(FactorKind root, bool signs, bool magnitudes) {
  const Scales scales =
      signs ? (magnitudes ? Scales::any : Scales::sign) : (magnitudes ? Scales::positive : Scales::none);
  if (!root->has_places() || root->scales == scales) return root;
  // What scales is judged alike whether its places move or not.
  const bool ordered = root->ordered || scales != Scales::none;
  for (const FactorKind kind : all_kinds)
    if (kind->has_places() && kind->scales == scales && kind->ordered == ordered) return kind;
  return root;
}

}  // namespace weft
