#pragma once
// Transformer-NFN's invariant layer I (spec 3.2) for one block, as a fast schedule.

#include "weft/nfn/list_layer.h"
#include "weft/nfn/transformer/global.h"

namespace weft {

/// I : d channels -> e numbers per network, before the LayerNorm. What it computes is the term list
/// transformer_invariant_terms(); parameters have its names and shapes ("phi1") and start by spec 3.4.
///   x  as TransformerEquivariant's; an activation applies to WA bA WB bB as they are read      y  [B, e], plain
/// vjp   one hand-written node; saves the inputs and the global vectors; gradients of the phis as outer products, on
///       a device whole.
/// cost  flops per network: 2 d D² h (Dk + Dv), then one linear map of d (D² + 3 D + 2) numbers
class TransformerInvariant final : public InvariantLayer {
 public:
  /// Throws UsageError for a space that is not transformer_space() of one block without residual stream.
  TransformerInvariant(const Module& parent, std::string_view name, const Space& space, std::int64_t d, std::int64_t e);

 private:
  void check_reading(const LayerInput& input) const override;
  Var run(const Features& x, std::span<const Var> learned, const LayerInput& input) const override;

  transformer::Sizes sizes_;
  transformer::GlobalTable global_;
};

}  // namespace weft
