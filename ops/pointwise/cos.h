#pragma once

#include <cmath>

#include "weft/core/hd.h"
#include "weft/core/math.h"
#include "weft/core/op_range.h"

namespace weft::inline WEFT_ISA {

/// y = cos(p x)        p: frequency
/// vjp   gx = -gy p sin(p x)
/// type  even: permutation axes only
struct Cos {
  static constexpr const char* name = "cos";
  static constexpr bool odd = false, homogeneous = false, from_output = false;
  static constexpr OpParameter parameter = OpParameter::any(1);
  static constexpr OpRange ranges[] = {{-6, 6}};
  template <class T>
  WEFT_HD static T f(T x, T p) {
    return math::cos(p * x);
  }
  template <class T>
  WEFT_HD static T df(T x, T, T p) {
    return -p * math::sin(p * x);
  }
  static double reference(double x, double p) { return std::cos(p * x); }
};

}  // namespace weft::inline WEFT_ISA
