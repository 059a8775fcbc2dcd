#pragma once
// MAGEP-NFN's equivariant layer E (spec 2.2) as a fast schedule.

#include "weft/nfn/list_layer.h"

namespace weft {
namespace magep {
struct Tables;
}

/// E : d -> e channels on the feature of a dense network with L >= 2 layers. What it computes is the term list
/// magep_equivariant_terms(L); parameters have its names and shapes ("W2.phi3", "psi.WW.2.1"), and Ψ may be frozen.
///   x  W_i [B, d, n_i, n_{i-1}], b_i [B, d, n_i]      y  the same with e channels
/// vjp   one hand-written node; saves the inputs, prefixes and suffixes
/// cost  see equivariant_flops() and nfn/magep/schedule.h; no product of two inner layers is formed, and [WW] and [bW]
///       never leave the cache
class MagepEquivariant final : public EquivariantLayer {
 public:
  /// Throws UsageError for a space that is not that of a dense network with tensors W1 b1 … WL bL without taps.
  MagepEquivariant(const Module& parent, std::string_view name, const Space& space, std::int64_t d, std::int64_t e,
                   bool train_psi = true);

 private:
  void run(const Features& x, std::span<const Var> learned, std::span<Var> y, const LayerInput& input) const override;

  std::shared_ptr<const magep::Tables> tables_;
};

}  // namespace weft
