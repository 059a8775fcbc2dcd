#pragma once
// The cases of the pointwise and row families, made from what each op says of itself: ranges, reference and flags.

#include <vector>

#include "weft/autograd/op_case.h"

namespace weft {

/// Values and vjps on the op's ranges; and for every kind of factor either equivariance or the refusal, as the op's
/// flags say.
std::vector<OpCase> pointwise_cases();
std::vector<OpCase> rows_cases();

/// The cases of one pointwise op made as if it had these flags: a wrong flag must be caught by the runner's self-test.
std::vector<OpCase> unary_cases(const char* name, bool odd, bool homogeneous, std::span<const OpRange> ranges,
                                std::function<Var(const Var&)> run, std::function<double(double)> reference);

}  // namespace weft
