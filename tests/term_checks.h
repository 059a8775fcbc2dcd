#pragma once
// Numbers behind the rule of typed terms (spec 7.2): does a list commute with random group elements?

#include "weft/groups/element.h"
#include "weft/groups/term.h"

namespace weft::testing {

/// The largest difference of t(g x) and g t(x) over the largest value of t(x), over `elements` random elements, or over
/// the first ones where one of them shows more than 1e-2; in float64, with features and parameters N(0, 1), batch 2,
/// d = 2, e = 3. Input and output space must have the same factors, or the output none that moves.
double equivariance_error(const TermList& list, RandomKey key, int elements = 4);

/// An element of `to` with the parts of `g` for factors of the same name; further factors of `to` must not move.
Element carried(const Element& g, const Space& to);

}  // namespace weft::testing
