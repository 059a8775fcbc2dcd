#pragma once
// How the parameters of Transformer-NFN start (spec 3.4).

#include <string>
#include <vector>

#include "weft/groups/term.h"
#include "weft/nfn/transformer/terms.h"
#include "weft/nn/parameters.h"

namespace weft::transformer {

/// Standard deviation of every parameter of the list, spec 3.4 with the table `groups`. Fans of a term: of the sizes of
/// its feature (of [QK] and [VO]: h, D, D), the summed ones and d make fan_in, the kept ones fan_out; a constant has
/// fan_in 0 and its size as fan_out. For WQ, WK, WV fan_in is d times the last axis and fan_out h times D, as
/// published.
std::vector<double> initial_deviations(const TermList& list, const std::vector<InitialTerms>& groups, std::int64_t d,
                                       std::int64_t e);

/// How one learned tensor of a list is declared.
struct InitialParameter {
  Shape shape;
  double deviation;
  GradientForm form;
};
/// In the list's order. Those of `outer` keep their gradients as outer products.
std::vector<InitialParameter> initial_parameters(const TermList& list, const std::vector<InitialTerms>& groups,
                                                 const std::vector<int>& outer, std::int64_t d, std::int64_t e);

}  // namespace weft::transformer
