#pragma once
// Transformer-NFN's equivariant layer E (spec 3.1) for one block, as a fast schedule.

#include "weft/nfn/list_layer.h"
#include "weft/nfn/transformer/global.h"

namespace weft {

/// E : d -> e channels on the feature of one transformer block; h, D, Dk, Dv and D_A are independent. What it computes
/// is the term list transformer_equivariant_terms(); parameters have its names and shapes ("WA.phi3") and start by
/// spec 3.4, where they stay unless `train`.
///   x  WQ WK [B, d, h, D, Dk], WV [B, d, h, D, Dv], WO [B, d, h, Dv, D], WA [B, d, D, D_A], bA [B, d, D_A],
///      WB [B, d, D_A, D], bB [B, d, D]; an activation is applied to the last four as they are read, the others
///      carry GL axes and pass unchanged
///   y  the same with e channels
/// vjp   one hand-written node; saves the inputs, the global vectors, [VO], and WA and WB as read. The gradients of the
///       global terms' phis, almost all numbers, are handed on as outer products of rank B, on a device whole.
/// cost  flops per network: 2 e d (D² (2D + 2) + 2 D² h Dk + D² h Dv + D² D_A) and smaller terms, twice that backward
class TransformerEquivariant final : public EquivariantLayer {
 public:
  /// Throws UsageError for a space that is not transformer_space() of one block without residual stream.
  TransformerEquivariant(const Module& parent, std::string_view name, const Space& space, std::int64_t d,
                         std::int64_t e, bool train = true);

 private:
  void check_reading(const LayerInput& input) const override;
  void run(const Features& x, std::span<const Var> learned, std::span<Var> y, const LayerInput& input) const override;

  transformer::Sizes sizes_;
  transformer::GlobalTable global_;
  transformer::AxisTable axis_;
};

}  // namespace weft
