#pragma once

#include <cmath>

#include "weft/core/hd.h"
#include "weft/core/math.h"
#include "weft/core/op_range.h"

namespace weft::inline WEFT_ISA {

/// y = x / (1 + exp(-x))
/// vjp   gx = gy s (1 + x (1 - s)), s = 1 / (1 + exp(-x))
/// type  permutation axes only
struct Silu {
  static constexpr const char* name = "silu";
  static constexpr bool odd = false, homogeneous = false, from_output = false;
  static constexpr OpRange ranges[] = {{-4, 4}};
  template <class T>
  WEFT_HD static T f(T x, T) {
    return x * math::sigmoid(x);
  }
  template <class T>
  WEFT_HD static T df(T x, T, T) {
    return math::sigmoid(x) * (T(1) + x * (T(1) - math::sigmoid(x)));
  }
  static double reference(double x, double) { return x / (1 + std::exp(-x)); }
};

}  // namespace weft::inline WEFT_ISA
