#pragma once

#include "weft/core/math.h"
#include "weft/core/team.h"

namespace weft::inline WEFT_ISA {

/// y_i = (x_i - m) - log Σ_j exp(x_j - m), m = max x        x: [n]  y: [n]
/// vjp   gx = gy - exp(y) Σ_j gy_j     saves y
/// type  every axis permutation or fixed
struct LogSoftmax {
  static constexpr const char* name = "log_softmax";
  static constexpr bool odd = false, reduces = false, from_output = true;
  template <class T, class Team, class X, class Y>
  WEFT_HD static void row(const Team& team, X x, Y y, std::int64_t n) {
    const T m = team.max(n, x[0], [=](std::int64_t i) { return x[i]; });
    const T rest = math::log(team.template sum<T>(n, [=](std::int64_t i) { return math::exp(x[i] - m); }));
    // m + rest would lose `rest` where m is large.
    team.each(n, [=](std::int64_t i) { y[i] = (x[i] - m) - rest; });
  }
  template <class T, class Team, class X, class Y, class Store>
  WEFT_HD static void row_vjp(const Team& team, X, Y y, Y gy, Store gx, std::int64_t n) {
    const T sum = team.template sum<T>(n, [=](std::int64_t i) { return gy[i]; });
    team.each(n, [=](std::int64_t i) { gx(i, gy[i] - math::exp(y[i]) * sum); });
  }
};

}  // namespace weft::inline WEFT_ISA
