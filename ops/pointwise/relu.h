#pragma once

#include "weft/core/hd.h"
#include "weft/core/op_range.h"

namespace weft::inline WEFT_ISA {

/// y = max(x, 0)        x: [...]  y: [...]
/// vjp   gx = gy [y > 0]
/// type  homogeneous: permutation and positive_monomial axes; refused on sign_monomial, GL
struct Relu {
  static constexpr const char* name = "relu";
  static constexpr bool odd = false, homogeneous = true, from_output = true;
  static constexpr OpRange ranges[] = {{-3, 3, 0}};
  template <class T>
  WEFT_HD static T f(T x, T) {
    // Written so that a NaN stays one.
    return x < T(0) ? T(0) : x;
  }
  template <class T>
  WEFT_HD static T df(T, T y, T) {
    return y > T(0) ? T(1) : T(0);
  }
  static double reference(double x, double) { return x > 0 ? x : 0; }
};

}  // namespace weft::inline WEFT_ISA
