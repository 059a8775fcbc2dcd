#pragma once

#include <cmath>

#include "weft/core/hd.h"
#include "weft/core/math.h"
#include "weft/core/op_range.h"

namespace weft::inline WEFT_ISA {

/// y = 1 / (1 + exp(-x))
/// vjp   gx = gy y (1 - y)
/// type  permutation axes only
struct Sigmoid {
  static constexpr const char* name = "sigmoid";
  static constexpr bool odd = false, homogeneous = false, from_output = true;
  static constexpr OpRange ranges[] = {{-4, 4}};
  template <class T>
  WEFT_HD static T f(T x, T) {
    return math::sigmoid(x);
  }
  template <class T>
  WEFT_HD static T df(T, T y, T) {
    return y * (T(1) - y);
  }
  static double reference(double x, double) { return 1 / (1 + std::exp(-x)); }
};

}  // namespace weft::inline WEFT_ISA
