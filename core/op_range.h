#pragma once

namespace weft {

/// A range on which a pointwise op is tested, and a point where it has no derivative (the runner keeps off it); NaN for
/// none.
struct OpRange {
  double low, high;
  double kink = __builtin_nan("");
};

}  // namespace weft
