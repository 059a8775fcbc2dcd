#pragma once
// Checks of hand-written vjps against finite differences, in float64.

#include <functional>
#include <span>
#include <vector>

#include "weft/autograd/tape.h"
#include "weft/core/random.h"

namespace weft {

/// A function on a tape: from typed inputs to outputs.
using TapeFunction = std::function<std::vector<Var>(Tape&, std::span<const Var>)>;

struct GradcheckInput {
  Tensor value;  ///< float64
  Type type;
  bool differentiate = true;
};

struct GradcheckReport {
  double direction_error = 0;  ///< of <cotangent, J t> against <J^T cotangent, t>, relative
  double jacobian_error = 0;   ///< largest entry's, relative to the largest entry; 0 when the Jacobian was not taken
  bool jacobian = false;
};

/// One random direction and one random cotangent (never ones: the derivative of a softmax's sum is zero), by central
/// differences of fourth order; and the full Jacobian when all inputs together have at most 64 numbers. Throws
/// DtypeError unless float64.
GradcheckReport gradcheck(const TapeFunction& f, std::span<const GradcheckInput> inputs, RandomKey key,
                          double step = 2e-4);

}  // namespace weft
