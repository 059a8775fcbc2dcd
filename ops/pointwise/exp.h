#pragma once

#include <cmath>

#include "weft/core/hd.h"
#include "weft/core/math.h"
#include "weft/core/op_range.h"

namespace weft::inline WEFT_ISA {

/// y = exp(x)
/// vjp   gx = gy y
/// type  permutation axes only
struct Exp {
  static constexpr const char* name = "exp";
  static constexpr bool odd = false, homogeneous = false, from_output = true;
  static constexpr OpRange ranges[] = {{-5, 5}};
  template <class T>
  WEFT_HD static T f(T x, T) {
    return math::exp(x);
  }
  template <class T>
  WEFT_HD static T df(T, T y, T) {
    return y;
  }
  static double reference(double x, double) { return std::exp(x); }
};

}  // namespace weft::inline WEFT_ISA
