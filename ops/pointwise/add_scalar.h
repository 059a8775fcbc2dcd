#pragma once

#include <cmath>

#include "weft/core/hd.h"
#include "weft/core/math.h"
#include "weft/core/op_range.h"

namespace weft::inline WEFT_ISA {

/// y = x + p        p: a constant
/// vjp   gx = gy
/// type  only where no axis is under a scaling, sign or GL factor
struct AddScalar {
  static constexpr const char* name = "add_scalar";
  static constexpr bool odd = false, homogeneous = false, from_output = false;
  static constexpr OpParameter parameter = OpParameter::any(0);
  static constexpr OpRange ranges[] = {{-3, 3}};
  template <class T>
  WEFT_HD static T f(T x, T p) {
    return x + p;
  }
  template <class T>
  WEFT_HD static T df(T, T, T) {
    return T(1);
  }
  static double reference(double x, double p) { return x + p; }
};

}  // namespace weft::inline WEFT_ISA
