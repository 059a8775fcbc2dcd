#pragma once
// MAGEP-NFN's equivariant layer E (spec 2.2) as a fast schedule.

#include <string>

#include "weft/groups/term.h"
#include "weft/nfn/magep/cost.h"
#include "weft/nfn/magep/tables.h"
#include "weft/nn/parameters.h"

namespace weft {

/// E : d -> e channels on the feature of a dense network with L >= 2 layers. What it computes is the term list
/// magep_equivariant_terms(L); parameters have its names and shapes ("W2.phi3", "psi.WW.2.1"), and Ψ may be frozen.
///   inputs   W_i [B, d, n_i, n_{i-1}], b_i [B, d, n_i], in the order of the space's tensors; activation and channel
///            dropout are applied as they are read
///   outputs  the same with e channels
/// vjp   one hand-written node; saves the inputs, prefixes and suffixes
/// cost  see flops() and nfn/magep/schedule.h; no product of two inner layers is formed, and [WW] and [bW] never leave
///       the cache
/// Results do not depend on the number of threads. The layer must outlive the step.
class MagepEquivariant {
 public:
  /// Throws UsageError for a space that is not that of a dense network with tensors W1 b1 … WL bL without taps.
  MagepEquivariant(Parameters& parameters, const std::string& name, const Space& space, std::int64_t d, std::int64_t e,
                   bool train_psi = true);

  const TermList& list() const { return list_; }
  /// Multiplications and additions of a forward pass of the schedule.
  double flops(std::int64_t batch) const { return magep::equivariant_flops({tables_.widths, d_, e_, batch}); }
  /// Throws ShapeError for inputs that do not fit, TypeError for a feature of another type or an activation that the
  /// group does not allow.
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

  TermList list_;
  std::int64_t d_, e_;
  std::vector<int> numbers_;
  magep::Tables tables_;
};

}  // namespace weft
