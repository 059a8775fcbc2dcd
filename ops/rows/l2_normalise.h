#pragma once

#include "weft/core/math.h"
#include "weft/core/team.h"

namespace weft::inline WEFT_ISA {

/// y = x / max(|x|, 1e-12)        x: [n]  y: [n]
/// vjp   gx = (gy - y Σ gy y) / max(|x|, 1e-12)     saves x, y
/// type  along the axis: free, fixed, permutation or sign_monomial. Other axes: not GL; positive_monomial ones become
///       permutation axes (over the channels: spec 4.3)
struct L2Normalise {
  static constexpr const char* name = "l2_normalise";
  static constexpr bool odd = true, reduces = false, from_output = false;
  template <class T, class Team, class X>
  WEFT_HD static T inverse_norm(const Team& team, X x, std::int64_t n) {
    const T norm = math::sqrt(team.template sum<T>(n, [=](std::int64_t i) { return x[i] * x[i]; }));
    return T(1) / (norm > T(1e-12) ? norm : T(1e-12));
  }
  template <class T, class Team, class X, class Y>
  WEFT_HD static void row(const Team& team, X x, Y y, std::int64_t n) {
    const T s = inverse_norm<T>(team, x, n);
    team.each(n, [=](std::int64_t i) { y[i] = x[i] * s; });
  }
  template <class T, class Team, class X, class Y, class Store>
  WEFT_HD static void row_vjp(const Team& team, X x, Y y, Y gy, Store gx, std::int64_t n) {
    const T s = inverse_norm<T>(team, x, n);
    const T dot = team.template sum<T>(n, [=](std::int64_t i) { return gy[i] * y[i]; });
    team.each(n, [=](std::int64_t i) { gx(i, s * (gy[i] - y[i] * dot)); });
  }
};

}  // namespace weft::inline WEFT_ISA
