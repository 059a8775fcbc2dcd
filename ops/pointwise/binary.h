#pragma once
// Pointwise operations on two tensors of one shape. `power` says what becomes of degrees: 0 for two of one type, 1
// where those of b add, -1 where they are subtracted.

#include "weft/core/hd.h"
#include "weft/core/op_range.h"

namespace weft::inline WEFT_ISA {

/// y = a + b
/// vjp   ga = gy, gb = gy
/// type  equal types, roles identified for self-dual factors
struct Add {
  static constexpr const char* name = "add";
  static constexpr bool linear = true, homogeneous = true;
  static constexpr int power = 0;
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
  static constexpr bool linear = true, homogeneous = true;
  static constexpr int power = 0;
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
/// type  places move alike, degrees add; refused on axes that are mixed
struct Mul {
  static constexpr const char* name = "mul";
  static constexpr bool linear = false, homogeneous = false;
  static constexpr int power = 1;
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

/// y = a / b
/// vjp   ga = gy / b, gb = -gy a / b²
/// type  places move alike, degrees of b are subtracted; refused on axes that are mixed
struct Div {
  static constexpr const char* name = "div";
  static constexpr bool linear = false, homogeneous = false;
  static constexpr int power = -1;
  static constexpr OpRange range{0.5, 3};
  static constexpr bool calls = true;  ///< a subroutine on a device, around which four numbers would leave registers
  template <class T>
  WEFT_HD static T f(T a, T b) {
    return a / b;
  }
  template <class T>
  WEFT_HD static T da(T, T b, T) {
    return T(1) / b;
  }
  template <class T>
  WEFT_HD static T db(T a, T b, T) {
    return -a / (b * b);
  }
  static double reference(double a, double b) { return a / b; }
};

/// y = the larger of a and b; NaN where one is
/// vjp   gy to the larger, to a where they are equal
/// type  equal types; homogeneous: permutation and positive_monomial axes
struct Maximum {
  static constexpr const char* name = "maximum";
  static constexpr bool linear = false, homogeneous = true;
  static constexpr int power = 0;
  template <class T>
  WEFT_HD static T f(T a, T b) {
    return a >= b || a != a ? a : b;
  }
  template <class T>
  WEFT_HD static T da(T a, T b, T) {
    return a >= b || a != a ? T(1) : T(0);
  }
  template <class T>
  WEFT_HD static T db(T a, T b, T) {
    return a >= b || a != a ? T(0) : T(1);
  }
  static double reference(double a, double b) { return a > b ? a : b; }
};

/// y = the smaller of a and b; NaN where one is
/// vjp   gy to the smaller, to a where they are equal
/// type  as maximum
struct Minimum {
  static constexpr const char* name = "minimum";
  static constexpr bool linear = false, homogeneous = true;
  static constexpr int power = 0;
  template <class T>
  WEFT_HD static T f(T a, T b) {
    return a <= b || a != a ? a : b;
  }
  template <class T>
  WEFT_HD static T da(T a, T b, T) {
    return a <= b || a != a ? T(1) : T(0);
  }
  template <class T>
  WEFT_HD static T db(T a, T b, T) {
    return a <= b || a != a ? T(0) : T(1);
  }
  static double reference(double a, double b) { return a < b ? a : b; }
};

}  // namespace weft::inline WEFT_ISA
