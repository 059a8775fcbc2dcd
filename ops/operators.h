#pragma once
// + - * / on variables and numbers, and what is made of other operations.

#include <concepts>

#include "weft/ops/pointwise.h"

namespace weft {

inline Var operator+(const Var& a, const Var& b) { return add(a, b); }
inline Var operator-(const Var& a, const Var& b) { return sub(a, b); }
inline Var operator*(const Var& a, const Var& b) { return mul(a, b); }
inline Var operator/(const Var& a, const Var& b) { return div(a, b); }
inline Var operator-(const Var& x) { return scale(x, -1); }

template <std::convertible_to<double> T>
Var operator+(const Var& x, T c) {
  return add_scalar(x, c);
}
template <std::convertible_to<double> T>
Var operator+(T c, const Var& x) {
  return add_scalar(x, c);
}
template <std::convertible_to<double> T>
Var operator-(const Var& x, T c) {
  return add_scalar(x, -static_cast<double>(c));
}
template <std::convertible_to<double> T>
Var operator-(T c, const Var& x) {
  return add_scalar(scale(x, -1), c);
}
template <std::convertible_to<double> T>
Var operator*(const Var& x, T c) {
  return scale(x, c);
}
template <std::convertible_to<double> T>
Var operator*(T c, const Var& x) {
  return scale(x, c);
}
template <std::convertible_to<double> T>
Var operator/(const Var& x, T c) {
  return scale(x, 1 / static_cast<double>(c));
}

/// y = the number of [low, high] that is nearest to x
/// vjp   gx = gy inside
/// Throws UsageError unless low <= high.
Var clamp(const Var& x, double low, double high);

}  // namespace weft
