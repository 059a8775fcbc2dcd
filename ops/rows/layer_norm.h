#pragma once

#include "weft/core/math.h"
#include "weft/core/team.h"

namespace weft::inline WEFT_ISA {

/// y = (x - mean) / sqrt(var + 1e-5), biased variance, without affine part (spec 5)        x: [n]  y: [n]
/// vjp   gx = s (gy - mean(gy) - y mean(gy y)), s = 1 / sqrt(var + 1e-5)     saves x, y
/// type  along the axis: free, fixed or permutation. Other axes: permutation, fixed or (it is odd) sign_monomial
struct LayerNorm {
  static constexpr const char* name = "layer_norm";
  static constexpr bool odd = true, reduces = false, from_output = false;
  template <class T, class Team, class X>
  WEFT_HD static T moments(const Team& team, X x, std::int64_t n, T& mean) {
    const T inverse = T(1) / static_cast<T>(n);
    const T m = team.template sum<T>(n, [=](std::int64_t i) { return x[i]; }) * inverse;
    const T var = team.template sum<T>(n, [=](std::int64_t i) { return (x[i] - m) * (x[i] - m); }) * inverse;
    mean = m;
    return T(1) / math::sqrt(var + T(1e-5));
  }
  template <class T, class Team, class X, class Y>
  WEFT_HD static void row(const Team& team, X x, Y y, std::int64_t n) {
    T mean;
    const T s = moments<T>(team, x, n, mean);
    team.each(n, [=](std::int64_t i) { y[i] = (x[i] - mean) * s; });
  }
  template <class T, class Team, class X, class Y, class Store>
  WEFT_HD static void row_vjp(const Team& team, X x, Y y, Y gy, Store gx, std::int64_t n) {
    T mean;
    const T s = moments<T>(team, x, n, mean), inverse = T(1) / static_cast<T>(n);
    const T a = team.template sum<T>(n, [=](std::int64_t i) { return gy[i]; }) * inverse;
    const T b = team.template sum<T>(n, [=](std::int64_t i) { return gy[i] * y[i]; }) * inverse;
    team.each(n, [=](std::int64_t i) { gx(i, s * (gy[i] - a - y[i] * b)); });
  }
};

}  // namespace weft::inline WEFT_ISA
