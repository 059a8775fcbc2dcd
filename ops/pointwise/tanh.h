#pragma once

#include <cmath>

#include "weft/core/hd.h"
#include "weft/core/math.h"
#include "weft/core/op_range.h"

namespace weft::inline WEFT_ISA {

/// y = tanh(x)
/// vjp   gx = gy (1 - y²)
/// type  odd: permutation and sign_monomial axes; refused on positive_monomial, GL
struct Tanh {
  static constexpr const char* name = "tanh";
  static constexpr bool odd = true, homogeneous = false, from_output = true;
  static constexpr OpRange ranges[] = {{-3, 3}};
  template <class T>
  WEFT_HD static T f(T x, T) {
    return math::tanh(x);
  }
  template <class T>
  WEFT_HD static T df(T, T y, T) {
    return T(1) - y * y;
  }
  static double reference(double x, double) { return std::tanh(x); }
};

}  // namespace weft::inline WEFT_ISA
