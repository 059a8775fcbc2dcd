#pragma once

#include <cmath>

#include "weft/core/hd.h"
#include "weft/core/math.h"
#include "weft/core/op_range.h"

namespace weft::inline WEFT_ISA {

/// y = p x        p: a constant
/// vjp   gx = p gy
/// type  linear: always allowed
struct Scale {
  static constexpr const char* name = "scale";
  static constexpr bool odd = true, homogeneous = true, from_output = false;
  static constexpr OpParameter parameter = OpParameter::any(1);
  static constexpr OpRange ranges[] = {{-3, 3}};
  template <class T>
  WEFT_HD static T f(T x, T p) {
    return p * x;
  }
  template <class T>
  WEFT_HD static T df(T, T, T p) {
    return p;
  }
  static double reference(double x, double p) { return p * x; }
};

}  // namespace weft::inline WEFT_ISA
