#pragma once

#include <cmath>

#include "weft/core/hd.h"
#include "weft/core/math.h"
#include "weft/core/op_range.h"

namespace weft::inline WEFT_ISA {

/// y = sqrt(x)        x > 0
/// vjp   gx = gy / (2 y)
/// type  degrees halve, where they are even and without signs; otherwise permutation axes only
struct Sqrt {
  static constexpr const char* name = "sqrt";
  static constexpr bool odd = false, homogeneous = false, from_output = true;
  static constexpr int twice_power = 1;
  static constexpr OpRange ranges[] = {{0.2, 5}};
  template <class T>
  WEFT_HD static T f(T x, T) {
    return math::sqrt(x);
  }
  template <class T>
  WEFT_HD static T df(T, T y, T) {
    return T(0.5) / y;
  }
  static double reference(double x, double) { return std::sqrt(x); }
};

}  // namespace weft::inline WEFT_ISA
