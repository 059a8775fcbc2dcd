#pragma once
// What the numbers of MAGEP's terms stand for (spec 2.2, 2.3), beside the formulas in nfn/magep/terms.cpp.

namespace weft::magep {

/// The terms of a weight by the number of their phi, in every layer: what they mix.
enum WeightTerm { from_W = 1, from_WW, from_bW, from_b, weight_terms = from_b };
/// Those of the last bias, and of I, are numbered alike; the last is the constant.
enum BiasTerm { bias_terms = 8, constant = bias_terms };

}  // namespace weft::magep
