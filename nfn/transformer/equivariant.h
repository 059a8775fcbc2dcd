#pragma once
// Transformer-NFN's equivariant layer E (spec 3.1) for one block, as a fast schedule.

#include <string>

#include "weft/groups/term.h"
#include "weft/nfn/reading.h"
#include "weft/nfn/transformer/global.h"
#include "weft/nn/parameters.h"

namespace weft {

/// E : d -> e channels on the feature of one transformer block; h, D, Dk, Dv and D_A are independent. What it computes
/// is the term list transformer_equivariant_terms(); parameters have its names and shapes ("WA.phi3") and start by
/// spec 3.4, where they stay unless `train`.
///   inputs   WQ WK [B, d, h, D, Dk], WV [B, d, h, D, Dv], WO [B, d, h, Dv, D], WA [B, d, D, D_A], bA [B, d, D_A],
///            WB [B, d, D_A, D], bB [B, d, D]; an activation is applied to the last four as they are read, the others
///            carry GL axes and pass unchanged
///   outputs  the same with e channels
/// vjp   one hand-written node; saves the inputs, the global vectors, [VO], and WA and WB as read. The gradients of the
///       global terms' phis, almost all numbers, are handed on as outer products of rank B, on a device whole.
/// cost  flops per network: 2 e d (D² (2D + 2) + 2 D² h Dk + D² h Dv + D² D_A) and smaller terms, twice that backward
/// Results do not depend on the number of threads. The layer must outlive the step.
class TransformerEquivariant {
 public:
  /// Throws UsageError for a space that is not transformer_space() of one block without residual stream.
  TransformerEquivariant(Parameters& parameters, const std::string& name, const Space& space, std::int64_t d,
                         std::int64_t e, bool train = true);

  const TermList& list() const { return list_; }
  /// Flops of a forward pass, as the schedule runs it.
  double flops(std::int64_t batch) const;
  /// Throws ShapeError for inputs that do not fit, TypeError for a feature of another type or an activation that the
  /// group does not allow, UsageError for dropout.
  void operator()(const Parameters& parameters, std::span<const Var> inputs, std::span<Var> outputs,
                  const LayerInput& input = {}) const;
  /// With the learned tensors given, one per list().parameters(). The layer outlives the step, so it is no temporary.
  void operator()(std::span<const Var> inputs, std::span<const Var> learned, std::span<Var> outputs,
                  const LayerInput& input = {}) const&;
  void operator()(std::span<const Var> inputs, std::span<const Var> learned, std::span<Var> outputs,
                  const LayerInput& input = {}) const&& = delete;

 private:
  template <class T>
  void run(std::span<const Var> inputs, std::span<const Var> learned, std::span<Var> outputs,
           const LayerInput& input) const;

  transformer::Sizes sizes_;
  TermList list_;
  transformer::GlobalTable global_;
  transformer::AxisTable axis_;
  std::vector<int> numbers_;
};

}  // namespace weft
