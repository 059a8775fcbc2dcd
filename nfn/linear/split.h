#pragma once
// A linear term by what becomes of its indices. Internal to nfn/linear.

#include <optional>
#include <vector>

#include "weft/groups/term.h"

namespace weft::linear {

using Indices = std::vector<int>;  ///< positions in TermResolved::indices

/// y[left] += phi x, or y[left] += phi when there is no feature.
struct TermIndices {
  const TermOperand* phi = nullptr;
  const TermOperand* feature = nullptr;  ///< null: a constant
  Indices phi_axes, x_axes, left;
  Indices contracted;  ///< in x and phi
  Indices added;       ///< in phi and on the left
  Indices kept;        ///< in x and on the left, in the order of the left
  Indices summed;      ///< in x only
  Indices broadcast;   ///< on the left only
};

/// Nothing when the term is no product of one phi and at most one feature, or has a diagonal, an integer or a complex
/// index.
std::optional<TermIndices> split(const TermResolved& term);

/// No let, and no parameter in two terms: every gradient is written once.
bool splits(const TermList& list);

/// Product of the sizes.
std::int64_t count(const TermResolved& term, const Indices& indices);

/// For every value of `loop`'s indices (the last fastest): the position in a tensor with axes `axes`, other indices 0.
std::vector<std::int64_t> positions(const TermResolved& term, const Indices& loop, const Indices& axes);

Indices joined(Indices a, const Indices& b);

/// at[i] = at[0] + i.
bool counts_up(const std::int64_t* at, std::int64_t n);

}  // namespace weft::linear
