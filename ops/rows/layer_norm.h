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

  template <class T>
  struct Moments {
    Centre<T> centre;
    T scale;
    WEFT_HD T operator()(T x) const { return centre.from(x) * scale; }
  };
  template <class T, class Team, class X>
  WEFT_HD static Moments<T> moments(const Team& team, X x, std::int64_t n) {
    const Centre<T> centre = centre_of<T>(team, n, [=](std::int64_t i) { return x[i]; });
    // About the rounded mean, so that no sum waits for the residue's.
    const T square =
        team.template sum<T>(n, [=](std::int64_t i) { return (x[i] - centre.mean) * (x[i] - centre.mean); });
    const T variance = square / static_cast<T>(n) - centre.residue * centre.residue;
    return {centre, T(1) / math::sqrt((variance < T(0) ? T(0) : variance) + T(1e-5))};
  }
  template <class T, class Team, class X, class Y>
  WEFT_HD static void row(const Team& team, X x, Y y, std::int64_t n) {
    const Moments<T> m = moments<T>(team, x, n);
    team.each(n, [=](std::int64_t i) { y[i] = m(x[i]); });
  }
  template <class T, class Team, class X, class Y, class Store>
  WEFT_HD static void row_vjp(const Team& team, X x, Y y, Y gy, Store gx, std::int64_t n) {
    const T s = moments<T>(team, x, n).scale, count = static_cast<T>(n);
    const T a = team.template sum<T>(n, [=](std::int64_t i) { return gy[i]; }) / count;
    const T b = team.template sum<T>(n, [=](std::int64_t i) { return gy[i] * y[i]; }) / count;
    team.each(n, [=](std::int64_t i) { gx(i, s * (gy[i] - a - y[i] * b)); });
  }
};

}  // namespace weft::inline WEFT_ISA
