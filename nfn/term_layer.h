#pragma once
// A layer that runs on its term list: derived layers, and the reference of the fast schedules.

#include <span>
#include <string>

#include "weft/groups/term.h"
#include "weft/nn/parameters.h"

namespace weft {

/// Declares the learned tensors of `list` as "name.W2.phi3" and returns their numbers, one per list.parameters(). phi
/// starts Xavier-normal with the fans of all terms of one output tensor summed (spec 2.5), constants at 0; psi starts
/// N(0, 1) / (d x its sizes), but as one of two factors of a low rank at N(0, 1) / sqrt(its other sizes), and is
/// trained then.
std::vector<int> declare_parameters(Parameters& parameters, const std::string& name, const TermList& list,
                                    std::int64_t d, std::int64_t e, bool train_psi);

/// The declared parameters as variables of this step.
std::span<Var> learned_on(const Parameters& parameters, Tape& tape, std::span<const int> numbers);

/// d input channels, e output channels. Throws what TermList throws.
class TermLayer {
 public:
  TermLayer(Parameters& parameters, const std::string& name, const Space& in, const Space& out,
            const std::string& terms, std::int64_t d, std::int64_t e, bool train_psi = true);

  const TermList& list() const { return list_; }
  std::int64_t channels() const { return e_; }
  /// inputs: one feature per tensor of the input space; outputs: one per tensor of the output space.
  void operator()(const Parameters& parameters, std::span<const Var> inputs, std::span<Var> outputs) const;

 private:
  TermList list_;
  std::int64_t e_;
  std::vector<int> parameters_;
};

}  // namespace weft
