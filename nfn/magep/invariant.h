#pragma once
// MAGEP-NFN's invariant layer I (spec 2.3) as a fast schedule.

#include <string>

#include "weft/nfn/magep/cost.h"
#include "weft/nfn/magep/tables.h"
#include "weft/nn/parameters.h"

namespace weft {

/// I : d channels -> e numbers per network. What it computes is the term list magep_invariant_terms(L), with its names
/// and shapes of parameters ("phi2", "psi.WW.2.2"); Ψ may be frozen.
///   inputs  W_i [B, d, n_i, n_{i-1}], b_i [B, d, n_i], in the order of the space's tensors; activation and channel
///           dropout are applied as they are read      y  [B, e], plain
/// vjp   one hand-written node; saves the inputs and the suffixes
/// cost  one sweep of thin products (suffixes only, spec 2.4), then one product over the batch for all eight terms
/// Results do not depend on the number of threads. The layer must outlive the step.
class MagepInvariant {
 public:
  /// Throws UsageError for a space that is not that of a dense network with tensors W1 b1 … WL bL without taps.
  MagepInvariant(Parameters& parameters, const std::string& name, const Space& space, std::int64_t d, std::int64_t e,
                 bool train_psi = true);

  const TermList& list() const { return list_; }
  /// Multiplications and additions of a forward pass of the schedule.
  double flops(std::int64_t batch) const { return magep::invariant_flops({tables_.widths, d_, e_, batch}); }
  /// Throws ShapeError for inputs that do not fit, TypeError for a feature of another type.
  Var operator()(const Parameters& parameters, std::span<const Var> inputs, const LayerInput& input = {}) const;
  /// With the learned tensors given, one per list().parameters(). The layer outlives the step, so it is no temporary.
  Var operator()(std::span<const Var> inputs, std::span<const Var> learned, const LayerInput& input = {}) const&;
  Var operator()(std::span<const Var> inputs, std::span<const Var> learned,
                 const LayerInput& input = {}) const&& = delete;

 private:
  TermList list_;
  std::int64_t d_, e_;
  std::vector<int> numbers_;
  magep::Tables tables_;
};

}  // namespace weft
