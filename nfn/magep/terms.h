#pragma once
// MAGEP-NFN (arXiv 2410.04213) as lists of typed terms (spec 2). They define what the fast schedules compute.

#include <string>

#include "weft/nfn/magep/term_numbers.h"

namespace weft {

/// E of spec 2.2 for a dense network of `layers` >= 2 layers (tensors W1 b1 … as mlp_space names them), as text for a
/// TermList whose output space is the input space. Learned: W{i}.phi{m}, b{i}.phi{m}, psi.WW.{s}.{t}, psi.bW.{s}.{t}.
/// Throws UsageError for fewer layers.
std::string magep_equivariant_terms(int layers);

/// I of spec 2.3: one output tensor `y` without axes. Learned: phi1..phi8 and its own psi.
std::string magep_invariant_terms(int layers);

}  // namespace weft
