#pragma once
// Standardised inputs of the baselines: a body of core/loop.h.

#include <cstdint>

#include "weft/core/hd.h"

namespace weft {

/// y[i, j] = (x[i, j] - mean[j]) inverse[j]: over the numbers of x [.., m].
template <class T>
struct Standardise {
  static constexpr const char* name = "standardise";
  const T *x, *mean, *inverse;
  T* y;
  std::int64_t m;
};

#define WEFT_STANDARDISE_LOOPS(X) \
  X(Standardise<float>)           \
  X(Standardise<double>)

inline namespace WEFT_ISA {

template <class T>
WEFT_HD void loop_at(const Standardise<T>& b, std::int64_t i) {
  b.y[i] = (b.x[i] - b.mean[i % b.m]) * b.inverse[i % b.m];
}

}  // namespace WEFT_ISA
}  // namespace weft
