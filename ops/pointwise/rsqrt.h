#pragma once

#include <cmath>

#include "weft/core/hd.h"
#include "weft/core/math.h"
#include "weft/core/op_range.h"

namespace weft::inline WEFT_ISA {

/// y = 1 / sqrt(x)        x > 0
/// vjp   gx = -gy y³ / 2
/// type  degrees halve and are negated, where they are even and without signs; otherwise permutation axes only
struct Rsqrt {
  static constexpr const char* name = "rsqrt";
  static constexpr bool odd = false, homogeneous = false, from_output = true;
  static constexpr int twice_power = -1;
  static constexpr OpRange ranges[] = {{0.2, 5}};
  template <class T>
  WEFT_HD static T f(T x, T) {
    return math::rsqrt(x);
  }
  template <class T>
  WEFT_HD static T df(T, T y, T) {
    return T(-0.5) * y * y * y;
  }
  static double reference(double x, double) { return 1 / std::sqrt(x); }
};

}  // namespace weft::inline WEFT_ISA
