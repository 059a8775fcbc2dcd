#pragma once

#include <cmath>

#include "weft/core/hd.h"
#include "weft/core/math.h"
#include "weft/core/op_range.h"

namespace weft::inline WEFT_ISA {

/// y = x Φ(x), Φ the normal distribution function (exact, by erf)
/// vjp   gx = gy (Φ(x) + x φ(x))
/// type  permutation axes only
struct Gelu {
  static constexpr const char* name = "gelu";
  static constexpr bool odd = false, homogeneous = false, from_output = false;
  static constexpr OpRange ranges[] = {{-4, 4}};
  template <class T>
  WEFT_HD static T f(T x, T) {
    return T(0.5) * x * (T(1) + math::erf(x * T(0.70710678118654752440)));
  }
  template <class T>
  WEFT_HD static T df(T x, T, T) {
    // Φ(x) + x φ(x)
    return T(0.5) * (T(1) + math::erf(x * T(0.70710678118654752440))) +
           x * T(0.39894228040143267794) * math::exp(T(-0.5) * x * x);
  }
  static double reference(double x, double) { return 0.5 * x * std::erfc(-x / std::sqrt(2.0)); }
};

}  // namespace weft::inline WEFT_ISA
