#pragma once

#include <cmath>

#include "weft/core/hd.h"
#include "weft/core/math.h"
#include "weft/core/op_range.h"

namespace weft::inline WEFT_ISA {

/// y = x for x > 0, p x otherwise        p: slope, in (0, 1]
/// vjp   gx = gy (1 or p, by the sign of y)
/// type  homogeneous: permutation and positive_monomial axes; refused on sign_monomial, GL
struct LeakyRelu {
  static constexpr const char* name = "leaky_relu";
  static constexpr bool odd = false, homogeneous = true, from_output = true;
  static constexpr OpParameter parameter{0.01, 0, 1};
  static constexpr OpRange ranges[] = {{-3, 3, 0}};
  template <class T>
  WEFT_HD static T f(T x, T slope) {
    return x > T(0) ? x : slope * x;
  }
  template <class T>
  WEFT_HD static T df(T, T y, T slope) {
    return y > T(0) ? T(1) : slope;
  }
  static double reference(double x, double slope) { return x > 0 ? x : slope * x; }
};

}  // namespace weft::inline WEFT_ISA
