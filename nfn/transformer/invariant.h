#pragma once
// Transformer-NFN's invariant layer I (spec 3.2) for one block, as a fast schedule.

#include <string>

#include "weft/groups/term.h"
#include "weft/nfn/reading.h"
#include "weft/nfn/transformer/global.h"
#include "weft/nn/parameters.h"

namespace weft {

/// I : d channels -> e numbers per network, before the LayerNorm. What it computes is the term list
/// transformer_invariant_terms(); parameters have its names and shapes ("phi1") and start by spec 3.4.
///   inputs  as TransformerEquivariant's; an activation applies to WA bA WB bB as they are read      y  [B, e], plain
/// vjp   one hand-written node; saves the inputs and the global vectors; gradients of the phis as outer products, on
///       a device whole.
/// cost  flops per network: 2 d D² h (Dk + Dv), then one linear map of d (D² + 3 D + 2) numbers
/// Results do not depend on the number of threads. The layer must outlive the step.
class TransformerInvariant {
 public:
  /// Throws UsageError for a space that is not transformer_space() of one block without residual stream.
  TransformerInvariant(Parameters& parameters, const std::string& name, const Space& space, std::int64_t d,
                       std::int64_t e);

  const TermList& list() const { return list_; }
  /// Flops of a forward pass, as the schedule runs it.
  double flops(std::int64_t batch) const;
  /// Throws as TransformerEquivariant does.
  Var operator()(const Parameters& parameters, std::span<const Var> inputs, const LayerInput& input = {}) const;
  /// With the learned tensors given, one per list().parameters(). The layer outlives the step, so it is no temporary.
  Var operator()(std::span<const Var> inputs, std::span<const Var> learned, const LayerInput& input = {}) const&;
  Var operator()(std::span<const Var> inputs, std::span<const Var> learned,
                 const LayerInput& input = {}) const&& = delete;

 private:
  transformer::Sizes sizes_;
  TermList list_;
  transformer::GlobalTable global_;
  std::vector<int> numbers_;
};

}  // namespace weft
