#pragma once
// What nfn/reading.h does to one number, for kernels of devices that treat several things at once. Light: nvcc reads
// it.

#include "weft/ops/pointwise_kernels.h"

namespace weft::schedule {

/// Activation of a LayerInput with its default parameter, and its channel dropout.
template <class T>
struct ReadRule {
  UnaryOp activation = UnaryOp::count;  ///< count: none
  T rate = 0, scale = 1;                ///< of dropout: 1 / (1 - rate)
};

inline namespace WEFT_ISA {

template <class T>
WEFT_HD T activate(const ReadRule<T>& rule, T x) {
  switch (rule.activation) {
#define WEFT_CASE(Op, function) \
  case UnaryOp::Op:             \
    return Op::f(x, static_cast<T>(parameter_of<Op>().usual));
    WEFT_UNARY_OPS(WEFT_CASE)
#undef WEFT_CASE
    case UnaryOp::count:
      break;
  }
  return x;
}

/// Its derivative at x.
template <class T>
WEFT_HD T activation_slope(const ReadRule<T>& rule, T x) {
  switch (rule.activation) {
#define WEFT_CASE(Op, function) \
  case UnaryOp::Op:             \
    return Op::df(x, Op::f(x, static_cast<T>(parameter_of<Op>().usual)), static_cast<T>(parameter_of<Op>().usual));
    WEFT_UNARY_OPS(WEFT_CASE)
#undef WEFT_CASE
    case UnaryOp::count:
      break;
  }
  return T(1);
}

/// The gradient of an input from the cotangent of what was read of it: to = beta to + slope cotangent.
template <class T>
WEFT_HD void take_gradient(T cotangent, T slope, T* to, T beta) {
  const T contribution = cotangent * slope;
  *to = beta == T(0) ? contribution : *to + contribution;
}

/// The factor of a channel whose number of (0, 1) is `uniform`.
template <class T>
WEFT_HD T mask(const ReadRule<T>& rule, T uniform) {
  return uniform < rule.rate ? T(0) : rule.scale;
}

}  // namespace WEFT_ISA
}  // namespace weft::schedule
