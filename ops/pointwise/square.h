#pragma once

#include <cmath>

#include "weft/core/hd.h"
#include "weft/core/math.h"
#include "weft/core/op_range.h"

namespace weft::inline WEFT_ISA {

/// y = x²
/// vjp   gx = 2 gy x
/// type  degrees double: signs are forgotten; refused on axes that are mixed
struct Square {
  static constexpr const char* name = "square";
  static constexpr bool odd = false, homogeneous = false, from_output = false;
  static constexpr int twice_power = 4;
  static constexpr OpRange ranges[] = {{-3, 3}};
  template <class T>
  WEFT_HD static T f(T x, T) {
    return x * x;
  }
  template <class T>
  WEFT_HD static T df(T x, T, T) {
    return T(2) * x;
  }
  static double reference(double x, double) { return x * x; }
};

}  // namespace weft::inline WEFT_ISA
