#pragma once

#include <cmath>
#include <limits>

namespace weft {

/// A number for a message: the sign that a NaN has on some processors is left out, for it says nothing.
inline double told(double x) { return std::isnan(x) ? std::numeric_limits<double>::quiet_NaN() : x; }

}  // namespace weft
