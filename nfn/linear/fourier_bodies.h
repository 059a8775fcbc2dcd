#pragma once
// Gaussian Fourier features on a device, number by number: bodies of core/loop.h. The CPU's loops, over whole networks,
// stand in nfn/layer_kernels.cpp.

#include <cstdint>

#include "weft/core/constants.h"
#include "weft/core/hd.h"
#include "weft/core/math.h"
#include "weft/core/pairwise.h"

namespace weft {

/// y[b, k, i] = sin(2π f_k x[b, i]) for k < m, y[b, m + k, i] = cos(2π f_k x[b, i]): over the numbers of y.
template <class T>
struct FourierFeatures {
  static constexpr const char* name = "fourier_features";
  const T *x, *frequencies;
  T* y;
  std::int64_t n, m, channels;  ///< channels: m or 2 m
};

/// gx = Σ_k 2π f_k (gsin_k cos - gcos_k sin), or added: over the numbers of x.
template <class T>
struct FourierFeaturesVjp {
  static constexpr const char* name = "fourier_features";
  const T *x, *frequencies, *gy;
  T* gx;
  std::int64_t n, m, channels;
  bool accumulate;
};

#define WEFT_FOURIER_LOOPS(X) \
  X(FourierFeatures<float>)   \
  X(FourierFeatures<double>)  \
  X(FourierFeaturesVjp<float>) X(FourierFeaturesVjp<double>)

inline namespace WEFT_ISA {

template <class T>
WEFT_HD void loop_at(const FourierFeatures<T>& b, std::int64_t i) {
  const std::int64_t row = i / b.n, channel = row % b.channels;
  const T x = b.x[row / b.channels * b.n + i % b.n];
  b.y[i] = channel < b.m ? math::sin(two_pi<T> * b.frequencies[channel] * x)
                         : math::cos(two_pi<T> * b.frequencies[channel - b.m] * x);
}

template <class T>
WEFT_HD void loop_at(const FourierFeaturesVjp<T>& b, std::int64_t i) {
  const T* gy = b.gy + i / b.n * b.channels * b.n + i % b.n;
  const T sum = pairwise_sum<T>(b.m, [=](std::int64_t k) {
    const T frequency = two_pi<T> * b.frequencies[k];
    T slope = gy[k * b.n] * math::cos(frequency * b.x[i]);
    if (b.channels > b.m) slope -= gy[(b.m + k) * b.n] * math::sin(frequency * b.x[i]);
    return frequency * slope;
  });
  b.gx[i] = b.accumulate ? b.gx[i] + sum : sum;
}

}  // namespace WEFT_ISA
}  // namespace weft
