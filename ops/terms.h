#pragma once
// The interpreter of typed terms (spec 7.3): runs any list, forward and vjp. The derivative by one occurrence of a
// factor is the same term with that factor replaced by the cotangent. It is the reference against which fused schedules
// are tested, and what derived layers run on.

#include <span>
#include <string_view>

#include "weft/autograd/tape.h"
#include "weft/groups/term.h"

namespace weft {

/// Runs `list` on features of one batch.
///   features    one per tensor of the input space, [B, d * taps, axes…] of its type
///   parameters  one per list.parameters(), shaped as TermParameter::shape(e, d)
///   outputs     receives one per tensor of the output space, [B, e * taps, axes…] of its type; zeros for a tensor
///               without a term
/// vjp   one hand-written node; saves features, lets and parameters
/// Throws ShapeError for features or parameters that do not fit, DtypeError for two dtypes, TypeError for a feature of
/// another type. The list must outlive the step.
void run_terms(const TermList& list, std::span<const Var> features, std::span<const Var> parameters, std::int64_t e,
               std::span<Var> outputs);
void run_terms(const TermList&& list, std::span<const Var> features, std::span<const Var> parameters, std::int64_t e,
               std::span<Var> outputs) = delete;

/// What run_terms, or a schedule of the same list, requires of features, and of parameters: throws as it
/// does, `who` in front.
void check_features(std::string_view who, const TermList& list, std::span<const Var> features, std::int64_t d);
void check_parameters(std::string_view who, const TermList& list, std::span<const Var> parameters, std::int64_t d,
                      std::int64_t e, DType dtype);

/// Flops of one forward pass (2 per multiplication), in the order of contraction that the interpreter takes.
double term_flops(const TermList& list, std::int64_t batch, std::int64_t d, std::int64_t e);

}  // namespace weft
