#pragma once

#include <cmath>

#include "weft/core/hd.h"
#include "weft/core/math.h"
#include "weft/core/op_range.h"

namespace weft::inline WEFT_ISA {

/// y = |x|
/// vjp   gx = gy sign(x)
/// type  homogeneous and even: sign_monomial axes become permutation axes; refused on GL
struct Abs {
  static constexpr const char* name = "abs";
  static constexpr bool odd = false, homogeneous = true, from_output = false;
  static constexpr OpRange ranges[] = {{-3, 3, 0}};
  template <class T>
  WEFT_HD static T f(T x, T) {
    return x < T(0) ? -x : x;
  }
  template <class T>
  WEFT_HD static T df(T x, T, T) {
    return x < T(0) ? T(-1) : T(1);
  }
  static double reference(double x, double) { return std::abs(x); }
};

}  // namespace weft::inline WEFT_ISA
