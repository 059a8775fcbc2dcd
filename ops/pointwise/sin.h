#pragma once

#include <cmath>

#include "weft/core/hd.h"
#include "weft/core/math.h"
#include "weft/core/op_range.h"

namespace weft::inline WEFT_ISA {

/// y = sin(p x)        p: frequency
/// vjp   gx = gy p cos(p x)
/// type  odd: permutation and sign_monomial axes; refused on positive_monomial, GL
struct Sin {
  static constexpr const char* name = "sin";
  static constexpr bool odd = true, homogeneous = false, from_output = false;
  static constexpr OpParameter parameter = OpParameter::any(1);
  static constexpr OpRange ranges[] = {{-6, 6}, {-20, 20}};
  template <class T>
  WEFT_HD static T f(T x, T p) {
    return math::sin(p * x);
  }
  template <class T>
  WEFT_HD static T df(T x, T, T p) {
    return p * math::cos(p * x);
  }
  static double reference(double x, double p) { return std::sin(p * x); }
};

}  // namespace weft::inline WEFT_ISA
