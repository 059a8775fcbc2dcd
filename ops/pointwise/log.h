#pragma once

#include <cmath>

#include "weft/core/hd.h"
#include "weft/core/math.h"
#include "weft/core/op_range.h"

namespace weft::inline WEFT_ISA {

/// y = log(x)        x > 0
/// vjp   gx = gy / x
/// type  permutation axes only
struct Log {
  static constexpr const char* name = "log";
  static constexpr bool odd = false, homogeneous = false, from_output = false;
  static constexpr OpRange ranges[] = {{0.2, 5}};
  template <class T>
  WEFT_HD static T f(T x, T) {
    return math::log(x);
  }
  template <class T>
  WEFT_HD static T df(T x, T, T) {
    return T(1) / x;
  }
  static double reference(double x, double) { return std::log(x); }
};

}  // namespace weft::inline WEFT_ISA
