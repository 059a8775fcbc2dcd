#pragma once

#include "weft/core/team.h"

namespace weft::inline WEFT_ISA {

/// y = Σ_i x_i        x: [n]  y: [1]
/// vjp   gx_i = gy
/// type  the axis is permutation or fixed (a head axis only when nothing is per head any more)
struct Sum {
  static constexpr const char* name = "sum";
  static constexpr bool odd = true, reduces = true, from_output = true;
  template <class T, class Team, class X, class Y>
  WEFT_HD static void row(const Team& team, X x, Y y, std::int64_t n) {
    y[0] = team.template sum<T>(n, [=](std::int64_t i) { return x[i]; });
  }
  template <class T, class Team, class X, class Y, class Store>
  WEFT_HD static void row_vjp(const Team& team, X, Y, Y gy, Store gx, std::int64_t n) {
    const T g = gy[0];
    team.each(n, [=](std::int64_t i) { gx(i, g); });
  }
};

/// y = Σ_i x_i / n        x: [n]  y: [1]
/// vjp   gx_i = gy / n
/// type  as sum
struct Mean {
  static constexpr const char* name = "mean";
  static constexpr bool odd = true, reduces = true, from_output = true;
  template <class T, class Team, class X, class Y>
  WEFT_HD static void row(const Team& team, X x, Y y, std::int64_t n) {
    y[0] = team.template sum<T>(n, [=](std::int64_t i) { return x[i]; }) / static_cast<T>(n);
  }
  template <class T, class Team, class X, class Y, class Store>
  WEFT_HD static void row_vjp(const Team& team, X, Y, Y gy, Store gx, std::int64_t n) {
    const T g = gy[0] / static_cast<T>(n);
    team.each(n, [=](std::int64_t i) { gx(i, g); });
  }
};

}  // namespace weft::inline WEFT_ISA
