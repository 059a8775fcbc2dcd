#pragma once
// The bodies of nn/losses.cpp. Light: nvcc reads it.

#include <cstdint>

#include "weft/core/math.h"

namespace weft {

/// Losses of single items, whose formulas follow below.
struct BinaryCrossEntropy {
  static constexpr const char* name = "binary_cross_entropy";
};
struct BinaryCrossEntropyWithLogits {
  static constexpr const char* name = "binary_cross_entropy_with_logits";
};
struct SquaredError {
  static constexpr const char* name = "squared_error";
};

/// y = f(x, t) per item, in double.
template <class Loss, class T>
struct ItemLoss {
  static constexpr const char* name = Loss::name;
  const T *x, *target;
  T* y;
};
/// gx (+)= gy df(x, t)
template <class Loss, class T>
struct ItemLossVjp {
  static constexpr const char* name = Loss::name;
  const T *x, *target, *gy;
  T* gx;
  bool accumulate;
};

/// y[r] = -logp[r, label[r]]; NaN for a label out of range, which a device finds too late to throw.
template <class T>
struct CrossEntropy {
  static constexpr const char* name = "cross_entropy";
  const T* logp;
  const std::int32_t* label;
  T* y;
  std::int64_t classes;
};
/// gx[r, c] (+)= gy[r] (exp(logp[r, c]) - onehot), a row a team.
template <class T>
struct CrossEntropyVjp {
  static constexpr const char* name = "cross_entropy";
  static constexpr int lanes = 32;
  const T* logp;
  const std::int32_t* label;
  const T* gy;
  T* gx;
  std::int64_t classes;
  bool accumulate;

  std::int64_t scratch_bytes() const { return 0; }
};

#define WEFT_ITEM_LOSS_LOOPS(X, Loss) \
  X(ItemLoss<Loss, float>)            \
  X(ItemLoss<Loss, double>)           \
  X(ItemLossVjp<Loss, float>)         \
  X(ItemLossVjp<Loss, double>)
#define WEFT_LOSS_LOOPS(X)                              \
  WEFT_ITEM_LOSS_LOOPS(X, BinaryCrossEntropy)           \
  WEFT_ITEM_LOSS_LOOPS(X, BinaryCrossEntropyWithLogits) \
  WEFT_ITEM_LOSS_LOOPS(X, SquaredError)                 \
  X(CrossEntropy<float>)                                \
  X(CrossEntropy<double>)
#define WEFT_LOSS_TEAM_LOOPS(X) \
  X(CrossEntropyVjp<float>)     \
  X(CrossEntropyVjp<double>)

inline namespace WEFT_ISA {

/// NaN stays NaN.
WEFT_HD double at_least(double x, double low) { return x < low ? low : x; }

WEFT_HD double loss_of(BinaryCrossEntropy, double p, double t) {
  return -(t * at_least(math::log(p), -100.0) + (1 - t) * at_least(::log1p(-p), -100.0));
}
WEFT_HD double slope_of(BinaryCrossEntropy, double p, double t) { return (p - t) / at_least(p * (1 - p), 1e-12); }

WEFT_HD double loss_of(BinaryCrossEntropyWithLogits, double z, double t) {
  return at_least(z, 0.0) - z * t + ::log1p(math::exp(-math::abs(z)));
}
WEFT_HD double slope_of(BinaryCrossEntropyWithLogits, double z, double t) { return 1 / (1 + math::exp(-z)) - t; }

WEFT_HD double loss_of(SquaredError, double x, double t) { return (x - t) * (x - t); }
WEFT_HD double slope_of(SquaredError, double x, double t) { return 2 * (x - t); }

template <class Loss, class T>
WEFT_HD void loop_at(const ItemLoss<Loss, T>& body, std::int64_t i) {
  body.y[i] = static_cast<T>(loss_of(Loss{}, static_cast<double>(body.x[i]), static_cast<double>(body.target[i])));
}

template <class Loss, class T>
WEFT_HD void loop_at(const ItemLossVjp<Loss, T>& body, std::int64_t i) {
  const double slope = slope_of(Loss{}, static_cast<double>(body.x[i]), static_cast<double>(body.target[i]));
  body.gx[i] = body.gy[i] * static_cast<T>(slope) + (body.accumulate ? body.gx[i] : T(0));
}

template <class T>
WEFT_HD void loop_at(const CrossEntropy<T>& body, std::int64_t r) {
  const std::int64_t label = body.label[r];
  const bool inside = label >= 0 && label < body.classes;
  body.y[r] = inside ? -body.logp[r * body.classes + label] : static_cast<T>(math::from_bits(0x7fc00000u));
}

template <class T, class Team>
WEFT_HD void loop_row(const CrossEntropyVjp<T>& body, const Team& team, std::int64_t r, void*) {
  const std::int64_t label = body.label[r];
  const bool inside = label >= 0 && label < body.classes;
  const T gy = inside ? body.gy[r] : static_cast<T>(math::from_bits(0x7fc00000u));
  const T* logp = body.logp + r * body.classes;
  T* gx = body.gx + r * body.classes;
  team.each(body.classes, [&](std::int64_t c) {
    const T p = math::exp(logp[c]) - (label == c ? T(1) : T(0));
    gx[c] = gy * p + (body.accumulate ? gx[c] : T(0));
  });
}

}  // namespace WEFT_ISA
}  // namespace weft
