#pragma once

#include <cmath>

#include "weft/core/hd.h"
#include "weft/core/math.h"
#include "weft/core/op_range.h"

namespace weft::inline WEFT_ISA {

/// y = log(1 + exp(x))
/// vjp   gx = gy / (1 + exp(-x))
/// type  permutation axes only
struct Softplus {
  static constexpr const char* name = "softplus";
  static constexpr bool odd = false, homogeneous = false, from_output = false;
  static constexpr OpRange ranges[] = {{-4, 4}};
  template <class T>
  WEFT_HD static T f(T x, T) {
    return (x > T(0) ? x : T(0)) + math::log(T(1) + math::exp(x > T(0) ? -x : x));
  }
  template <class T>
  WEFT_HD static T df(T x, T, T) {
    return math::sigmoid(x);
  }
  static double reference(double x, double) { return std::log1p(std::exp(x)); }
};

}  // namespace weft::inline WEFT_ISA
