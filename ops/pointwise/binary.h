#pragma once
// Pointwise operations on two tensors of one shape and one type.

#include "weft/core/hd.h"
#include "weft/core/op_range.h"

namespace weft::inline WEFT_ISA {

/// y = a + b
/// vjp   ga = gy, gb = gy
/// type  equal types, roles identified for orthogonal factors
struct Add {
  static constexpr const char* name = "add";
  static constexpr bool linear = true;
  template <class T>
  WEFT_HD static T f(T a, T b) {
    return a + b;
  }
  template <class T>
  WEFT_HD static T da(T, T, T) {
    return T(1);
  }
  template <class T>
  WEFT_HD static T db(T, T, T) {
    return T(1);
  }
  static double reference(double a, double b) { return a + b; }
};

/// y = a - b
/// vjp   ga = gy, gb = -gy
/// type  as add
struct Sub {
  static constexpr const char* name = "sub";
  static constexpr bool linear = true;
  template <class T>
  WEFT_HD static T f(T a, T b) {
    return a - b;
  }
  template <class T>
  WEFT_HD static T da(T, T, T) {
    return T(1);
  }
  template <class T>
  WEFT_HD static T db(T, T, T) {
    return T(-1);
  }
  static double reference(double a, double b) { return a - b; }
};

/// y = a b
/// vjp   ga = gy b, gb = gy a
/// type  equal types, every axis permutation or fixed
struct Mul {
  static constexpr const char* name = "mul";
  static constexpr bool linear = false;
  template <class T>
  WEFT_HD static T f(T a, T b) {
    return a * b;
  }
  template <class T>
  WEFT_HD static T da(T, T b, T) {
    return b;
  }
  template <class T>
  WEFT_HD static T db(T a, T, T) {
    return a;
  }
  static double reference(double a, double b) { return a * b; }
};

}  // namespace weft::inline WEFT_ISA
