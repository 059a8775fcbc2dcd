#pragma once
// MAGEP-NFN's invariant layer I (spec 2.3) as a fast schedule.

#include "weft/nfn/list_layer.h"

namespace weft {
namespace magep {
struct Tables;
}

/// I : d channels -> e numbers per network. What it computes is the term list magep_invariant_terms(L), with its names
/// and shapes of parameters ("phi2", "psi.WW.2.2"); Ψ may be frozen.
///   x  W_i [B, d, n_i, n_{i-1}], b_i [B, d, n_i]      y  [B, e], plain
/// vjp   one hand-written node; saves the inputs and the suffixes
/// cost  one sweep of thin products (suffixes only, spec 2.4), then one product over the batch for all eight terms
class MagepInvariant final : public InvariantLayer {
 public:
  /// Throws UsageError for a space that is not that of a dense network with tensors W1 b1 … WL bL without taps.
  MagepInvariant(const Module& parent, std::string_view name, const Space& space, std::int64_t d, std::int64_t e,
                 bool train_psi = true);

 private:
  Var run(const Features& x, std::span<const Var> learned, const LayerInput& input) const override;

  std::shared_ptr<const magep::Tables> tables_;
};

}  // namespace weft
