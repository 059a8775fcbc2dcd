#pragma once

#include "weft/core/math.h"
#include "weft/core/team.h"

namespace weft::inline WEFT_ISA {

/// y_i = exp(x_i - m) / Σ_j exp(x_j - m), m = max x        x: [n]  y: [n]
/// vjp   gx = y (gy - Σ_j gy_j y_j)     saves y
/// type  every axis permutation or fixed
struct Softmax {
  static constexpr const char* name = "softmax";
  static constexpr bool odd = false, reduces = false, from_output = true;
  template <class T, class Team, class X, class Y>
  WEFT_HD static void row(const Team& team, X x, Y y, std::int64_t n) {
    const T m = team.max(n, x[0], [=](std::int64_t i) { return x[i]; });
    team.each(n, [=](std::int64_t i) { y[i] = math::exp(x[i] - m); });
    const T scale = T(1) / team.template sum<T>(n, [=](std::int64_t i) { return y[i]; });
    team.each(n, [=](std::int64_t i) { y[i] *= scale; });
  }
  template <class T, class Team, class X, class Y, class Store>
  WEFT_HD static void row_vjp(const Team& team, X, Y y, Y gy, Store gx, std::int64_t n) {
    const T dot = team.template sum<T>(n, [=](std::int64_t i) { return gy[i] * y[i]; });
    team.each(n, [=](std::int64_t i) { gx(i, y[i] * (gy[i] - dot)); });
  }
};

}  // namespace weft::inline WEFT_ISA
