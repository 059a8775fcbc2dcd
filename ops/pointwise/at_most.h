#pragma once

#include <cmath>

#include "weft/core/hd.h"
#include "weft/core/math.h"
#include "weft/core/op_range.h"

namespace weft::inline WEFT_ISA {

/// y = x for x < p, p otherwise        p: any, usually 1
/// vjp   gx = gy where x < p
/// type  permutation axes only
struct AtMost {
  static constexpr const char* name = "at_most";
  static constexpr bool odd = false, homogeneous = false, from_output = false;
  static constexpr OpParameter parameter = OpParameter::any(1);
  static constexpr OpRange ranges[] = {{-3, 3, 1.3}};
  template <class T>
  WEFT_HD static T f(T x, T p) {
    return x < p ? x : p;
  }
  template <class T>
  WEFT_HD static T df(T x, T, T p) {
    return x < p ? T(1) : T(0);
  }
  static double reference(double x, double p) { return x < p ? x : p; }
};

}  // namespace weft::inline WEFT_ISA
