#pragma once

#include <limits>

namespace weft {

/// A range on which a pointwise op is tested, and a point where it has no derivative (the runner keeps off it); NaN for
/// none.
struct OpRange {
  double low, high;
  double kink = __builtin_nan("");
};

/// The parameter p of a pointwise op: what it is when none is given, and which numbers it may be.
struct OpParameter {
  double usual = 0;
  double above = 1, up_to = 0;  ///< allowed: finite numbers of (above, up_to]; none of them where the op takes none

  static constexpr OpParameter any(double usual) {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    return {usual, -infinity, infinity};
  }
  constexpr bool taken() const { return above < up_to; }
  constexpr bool allows(double p) const { return p > above && p <= up_to && p - p == 0; }
};

/// `Op::twice_power`, of an op that raises the scales of an axis to a power: twice that; 0 of others.
template <class Op>
constexpr int twice_power_of() {
  if constexpr (requires { Op::twice_power; })
    return Op::twice_power;
  else
    return 0;
}

/// `Op::parameter`, of an op that takes one.
template <class Op>
constexpr OpParameter parameter_of() {
  if constexpr (requires { Op::parameter; })
    return Op::parameter;
  else
    return {};
}

}  // namespace weft
