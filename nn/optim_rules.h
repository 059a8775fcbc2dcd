#pragma once
// The update rules of the optimisers: constants, formula and body of each, as PyTorch has them. The loops over them are
// nn/optim_kernels.cpp's and cuda's. A new rule: its body, its line in the list, its constants in UpdateRule.

#include <cstdint>

#include "weft/core/hd.h"
#include "weft/core/math.h"

/// X(kind, Body)
#define WEFT_UPDATE_RULES(X) \
  X(sgd, Sgd)                \
  X(momentum, Momentum)      \
  X(adam, Adam)              \
  X(adamw, AdamW)            \
  X(rmsprop, RmsProp)

namespace weft {

/// A rule and its constants. Those that the rule's formula lacks are not read.
struct UpdateRule {
#define WEFT_KIND(kind, Body) kind,
  enum class Kind : std::uint8_t { WEFT_UPDATE_RULES(WEFT_KIND) count };
#undef WEFT_KIND

  Kind kind = Kind::sgd;
  double weight_decay = 0;            ///< λ, 0 or more
  double momentum = 0;                ///< μ, in [0, 1)
  double beta1 = 0.9, beta2 = 0.999;  ///< β1, β2, in [0, 1)
  double alpha = 0.99;                ///< α, in [0, 1)
  double epsilon = 1e-8;              ///< ε, 1e-30 or more

  static UpdateRule sgd(double momentum = 0, double weight_decay = 0) {
    return {.kind = momentum != 0 ? Kind::momentum : Kind::sgd, .weight_decay = weight_decay, .momentum = momentum};
  }
  static UpdateRule adam(double weight_decay = 0) { return {.kind = Kind::adam, .weight_decay = weight_decay}; }
  static UpdateRule adamw(double weight_decay = 0.01) { return {.kind = Kind::adamw, .weight_decay = weight_decay}; }
  static UpdateRule rmsprop(double weight_decay = 0) { return {.kind = Kind::rmsprop, .weight_decay = weight_decay}; }
};

// Each body is made for one step: from the rule, the learning rate η and the number t = 1, 2, … of the step, in double.
// Then it moves one number p with gradient g and the states m, v, which are 0 before step 1.
inline namespace WEFT_ISA {

/// p ← p − η (g + λ p)
template <class T>
struct Sgd {
  static constexpr const char* name = "sgd";
  static constexpr int states = 0;
  Sgd(const UpdateRule& r, double eta, std::int64_t)
      : rate(static_cast<T>(eta)), decay(static_cast<T>(r.weight_decay)) {}
  WEFT_HD void operator()(T& p, T g) const { p -= rate * (g + decay * p); }
  T rate, decay;
};

/// m ← μ m + g + λ p        p ← p − η m
template <class T>
struct Momentum {
  static constexpr const char* name = "momentum";
  static constexpr int states = 1;
  Momentum(const UpdateRule& r, double eta, std::int64_t)
      : rate(static_cast<T>(eta)), decay(static_cast<T>(r.weight_decay)), keep(static_cast<T>(r.momentum)) {}
  WEFT_HD void operator()(T& p, T g, T& m) const {
    m = keep * m + (g + decay * p);
    p -= rate * m;
  }
  T rate, decay, keep;
};

/// h = g + λ p        m ← β1 m + (1 − β1) h        v ← β2 v + (1 − β2) h²
/// p ← p − η m' / (√v' + ε),   m' = m / (1 − β1^t),   v' = v / (1 − β2^t)        (Kingma & Ba 2015)
template <class T>
struct Adam {
  static constexpr const char* name = "adam";
  static constexpr int states = 2;
  Adam(const UpdateRule& r, double eta, std::int64_t t) : Adam(r, eta, t, r.weight_decay) {}
  Adam(const UpdateRule& r, double eta, std::int64_t t, double lambda)
      : rate(static_cast<T>(eta / (1 - ::pow(r.beta1, static_cast<double>(t))))),
        correction(static_cast<T>(1 / ::sqrt(1 - ::pow(r.beta2, static_cast<double>(t))))),
        decay(static_cast<T>(lambda)),
        new1(static_cast<T>(1 - r.beta1)),
        keep2(static_cast<T>(r.beta2)),
        new2(static_cast<T>(1 - r.beta2)),
        epsilon(static_cast<T>(r.epsilon)) {}
  WEFT_HD void operator()(T& p, T g, T& m, T& v) const {
    const T h = g + decay * p;
    m += new1 * (h - m);
    v = keep2 * v + new2 * h * h;
    p -= rate * m / (math::sqrt(v) * correction + epsilon);
  }
  T rate, correction, decay, new1, keep2, new2, epsilon;
};

/// p ← (1 − η λ) p, then Adam without λ        (Loshchilov & Hutter 2019)
template <class T>
struct AdamW {
  static constexpr const char* name = "adamw";
  static constexpr int states = 2;
  AdamW(const UpdateRule& r, double eta, std::int64_t t)
      : keep(static_cast<T>(1 - eta * r.weight_decay)), adam(r, eta, t, 0) {}
  WEFT_HD void operator()(T& p, T g, T& m, T& v) const {
    p *= keep;
    adam(p, g, m, v);
  }
  T keep;
  Adam<T> adam;
};

/// h = g + λ p        v ← α v + (1 − α) h²        p ← p − η h / (√v + ε)
template <class T>
struct RmsProp {
  static constexpr const char* name = "rmsprop";
  static constexpr int states = 1;
  RmsProp(const UpdateRule& r, double eta, std::int64_t)
      : rate(static_cast<T>(eta)),
        decay(static_cast<T>(r.weight_decay)),
        keep(static_cast<T>(r.alpha)),
        fresh(static_cast<T>(1 - r.alpha)),
        epsilon(static_cast<T>(r.epsilon)) {}
  WEFT_HD void operator()(T& p, T g, T& v) const {
    const T h = g + decay * p;
    v = keep * v + fresh * h * h;
    p -= rate * h / (math::sqrt(v) + epsilon);
  }
  T rate, decay, keep, fresh, epsilon;
};

/// Number i of a range, with as many states as the body has.
template <class Body, class T>
WEFT_HD void update_at(const Body& body, std::int64_t i, T* values, const T* grads, T* first, T* second) {
  if constexpr (Body::states == 0)
    body(values[i], grads[i]);
  else if constexpr (Body::states == 1)
    body(values[i], grads[i], first[i]);
  else
    body(values[i], grads[i], first[i], second[i]);
}

}  // namespace WEFT_ISA
}  // namespace weft
