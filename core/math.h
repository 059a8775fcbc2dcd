#pragma once
// Elementary functions of one number, for the CPU's loops and for CUDA. float: branch-free bodies that vectorise under
// `#pragma omp simd`, with every fused product spelled out, so that all instruction sets and CUDA give the same bits;
// double: libm's. Errors in ulp of the float functions (tests/math_test.cpp holds them):
//   exp 1.0   expm1 1.4   log 1.0   sin, cos 1.6 (|x| < 1e6)   tanh 1.3   sigmoid 2.4   erf 1.1   rsqrt 1.5
// NaN gives NaN. The polynomials are minimax fits with the leading coefficients rounded to float first.
// Functions are called by their C names: std::exp(float) would be a weak symbol of this instruction set.

#include <math.h>
#include <stdint.h>

#include "weft/core/hd.h"

namespace weft::inline WEFT_ISA::math {

WEFT_HD uint32_t to_bits(float x) { return __builtin_bit_cast(uint32_t, x); }
WEFT_HD float from_bits(uint32_t x) { return __builtin_bit_cast(float, x); }

/// a b + c, rounded once.
WEFT_HD float fma(float a, float b, float c) {
#if defined(__FMA__) || defined(__aarch64__) || defined(__CUDACC__)
  return ::fmaf(a, b, c);
#else
  // Exact product in double; the sum is rounded to odd (towards the error's side if its last bit is even), after which
  // rounding to float is the correct one. Unlike a call of libm's fmaf this vectorises.
  const double p = static_cast<double>(a) * static_cast<double>(b), d = static_cast<double>(c), s = p + d;
  const double v = s - p, error = (p - (s - v)) + (d - v);
  const uint64_t bits = __builtin_bit_cast(uint64_t, s);
  const uint64_t outward = (error > 0) == (s > 0) ? uint64_t{1} : ~uint64_t{0};
  const bool inexact = error > 0 || error < 0;
  return static_cast<float>(__builtin_bit_cast(double, inexact && (bits & 1) == 0 ? bits + outward : bits));
#endif
}

WEFT_HD float abs(float x) { return ::fabsf(x); }
WEFT_HD float sqrt(float x) { return ::sqrtf(x); }
WEFT_HD float rsqrt(float x) { return 1.f / ::sqrtf(x); }
/// NaN stays NaN.
WEFT_HD float clamp(float x, float low, float high) {
  x = x < low ? low : x;
  return x > high ? high : x;
}

/// x = n ln 2 + r with |r| <= ln 2 / 2; n as an integer in `n`. |x| < 1e6.
WEFT_HD float reduce_ln2(float x, int32_t& n) {
  constexpr float round = 0x1.8p23f;  // adding it leaves the rounded number in the low bits
  const float shifted = math::fma(x, 0x1.715476p0f, round);
  n = static_cast<int32_t>(to_bits(shifted) - to_bits(round));
  const float whole = shifted - round;
  return math::fma(whole, 0x1.05c610p-29f, math::fma(whole, -0x1.62e430p-1f, x));
}

/// 2^n for -126 <= n <= 127.
WEFT_HD float power_of_two(int32_t n) { return from_bits(static_cast<uint32_t>(n + 127) << 23); }

WEFT_HD float exp(float x) {
  int32_t n;
  const float r = reduce_ln2(clamp(x, -104.f, 90.f), n);
  float p = 0x1.6a4154p-10f;
  p = math::fma(p, r, 0x1.1239c6p-7f);
  p = math::fma(p, r, 0x1.5558bcp-5f);
  p = math::fma(p, r, 0x1.555492p-3f);
  p = math::fma(p, r, 0x1.fffffcp-2f);
  const float tail = math::fma(r * r, p, r);
  // In two steps, the first exact: 2^n alone may overflow, and a subnormal result is rounded once.
  const int32_t half = n >> 1;
  return (1.f + tail) * power_of_two(half) * power_of_two(n - half);
}

WEFT_HD float expm1(float x) {
  int32_t n;
  const float r = reduce_ln2(clamp(x, -20.f, 89.f), n);
  float p = 0x1.a242fap-13f;
  p = math::fma(p, r, 0x1.6d3cd2p-10f);
  p = math::fma(p, r, 0x1.111004p-7f);
  p = math::fma(p, r, 0x1.5554f6p-5f);
  p = math::fma(p, r, 0x1.555556p-3f);
  p = math::fma(p, r, 0.5f);
  const float tail = math::fma(r * r, p, r);
  const float half = power_of_two(n - 1);  // 2^n itself may overflow
  return 2.f * math::fma(half, tail, half - 0.5f);
}

WEFT_HD float log(float x) {
  const bool tiny = x < 0x1p-126f;
  const float scaled = tiny ? x * 0x1p23f : x;
  // scaled = 2^n (1 + f), 2/3 <= 1 + f < 4/3
  const uint32_t exponent = (to_bits(scaled) - 0x3f2aaaabu) & 0xff800000u;
  const float f = from_bits(to_bits(scaled) - exponent) - 1.f;
  const float n = static_cast<float>(static_cast<int32_t>(exponent) >> 23) - (tiny ? 23.f : 0.f);
  float p = -0x1.07aa38p-3f;
  p = math::fma(p, f, 0x1.1e72a0p-3f);
  p = math::fma(p, f, -0x1.f33c72p-4f);
  p = math::fma(p, f, 0x1.1ed452p-3f);
  p = math::fma(p, f, -0x1.559c2ep-3f);
  p = math::fma(p, f, 0x1.99d05cp-3f);
  p = math::fma(p, f, -0x1.fffefap-3f);
  p = math::fma(p, f, 0x1.555506p-2f);
  p = math::fma(p, f, -0.5f);
  const float low = math::fma(f * f, p, f);
  const float y = math::fma(n, 0x1.62e430p-1f, math::fma(n, -0x1.05c610p-29f, low));
  const float infinity = from_bits(0x7f800000u), nan = from_bits(0x7fc00000u);
  const float outside = x < 0.f ? nan : x == 0.f ? -infinity : x;  // infinity and NaN stay
  return x > 0.f && x < infinity ? y : outside;
}

/// x = n pi/2 + r with |r| <= pi/4 (1 + small), to 75 bits of pi/2 in three fused steps, the first of them exact. Exact
/// to float for |x| < 1e6; beyond 6.6e6 (where neighbouring floats are half a radian apart) only bounded.
WEFT_HD float reduce_half_pi(float x, uint32_t& n) {
  constexpr float round = 0x1.8p23f;
  const float shifted = math::fma(x, 0x1.45f306p-1f, round);
  n = to_bits(shifted);
  const float whole = shifted - round;
  const float r = math::fma(whole, -0x1.921fb6p0f, x);
  return clamp(math::fma(whole, 0x1.ee59dap-50f, math::fma(whole, 0x1.777a5cp-25f, r)), -1.f, 1.f);
}

/// sin(r + n pi/2) for |r| <= pi/4.
WEFT_HD float sin_of_quadrant(float r, uint32_t n) {
  const float s = r * r;
  const float sin_tail = math::fma(math::fma(-0x1.991e08p-13f, s, 0x1.1106cap-7f), s, -0x1.555544p-3f);
  const float cos_tail = math::fma(math::fma(0x1.99de6ep-16f, s, -0x1.6c0c14p-10f), s, 0x1.55554ap-5f);
  const float sine = math::fma(r * s, sin_tail, r);
  const float cosine = math::fma(s * s, cos_tail, math::fma(s, -0.5f, 1.f));
  return from_bits(to_bits((n & 1) != 0 ? cosine : sine) ^ ((n & 2) << 30));
}

WEFT_HD float sin(float x) {
  uint32_t n;
  const float r = reduce_half_pi(x, n);
  return sin_of_quadrant(r, n);
}

WEFT_HD float cos(float x) {
  uint32_t n;
  const float r = reduce_half_pi(x, n);
  return sin_of_quadrant(r, n + 1);
}

WEFT_HD float tanh(float x) {
  const float s = x * x;
  float p = -0x1.828776p-8f;
  p = math::fma(p, s, 0x1.54c3c2p-6f);
  p = math::fma(p, s, -0x1.b89abap-5f);
  p = math::fma(p, s, 0x1.1109bep-3f);
  p = math::fma(p, s, -0x1.55553ep-2f);
  const float small = math::fma(x * s, p, x);
  const float large = 1.f - 2.f / (1.f + math::exp(2.f * abs(x)));
  return abs(x) < 0.6f ? small : ::copysignf(large, x);
}

/// 1 / (1 + exp(-x)), accurate in both tails.
WEFT_HD float sigmoid(float x) {
  const float z = math::exp(-abs(x));
  return (x < 0.f ? z : 1.f) / (1.f + z);
}

WEFT_HD float erf(float x) {
  const float a = clamp(abs(x), 0.f, 4.f), s = a * a;
  float p = 0x1.4f8e58p-14f;
  p = math::fma(p, s, -0x1.a6126ep-11f);
  p = math::fma(p, s, 0x1.544aa8p-8f);
  p = math::fma(p, s, -0x1.b80120p-6f);
  p = math::fma(p, s, 0x1.ce2d64p-4f);
  p = math::fma(p, s, -0x1.812740p-2f);
  p = math::fma(p, s, 0x1.06eba8p-3f);
  const float small = math::fma(a, p, a);
  float q = -0x1.63fa2ep-16f;  // log(1 - erf)
  q = math::fma(q, a, 0x1.c910a6p-12f);
  q = math::fma(q, a, -0x1.11cf68p-8f);
  q = math::fma(q, a, 0x1.9bdb70p-6f);
  q = math::fma(q, a, -0x1.bba1acp-4f);
  q = math::fma(q, a, -0x1.4442aap-1f);
  q = math::fma(q, a, -0x1.2128bap0f);
  q = math::fma(q, a, 0x1.73e608p-13f);
  return ::copysignf(a < 0.9375f ? small : 1.f - math::exp(q), x);
}

WEFT_HD double fma(double a, double b, double c) { return ::fma(a, b, c); }
WEFT_HD double abs(double x) { return ::fabs(x); }
WEFT_HD double sqrt(double x) { return ::sqrt(x); }
WEFT_HD double rsqrt(double x) { return 1. / ::sqrt(x); }
WEFT_HD double exp(double x) { return ::exp(x); }
WEFT_HD double expm1(double x) { return ::expm1(x); }
WEFT_HD double log(double x) { return ::log(x); }
WEFT_HD double sin(double x) { return ::sin(x); }
WEFT_HD double cos(double x) { return ::cos(x); }
WEFT_HD double tanh(double x) { return ::tanh(x); }
WEFT_HD double sigmoid(double x) {
  const double z = ::exp(-::fabs(x));
  return (x < 0 ? z : 1.) / (1. + z);
}
WEFT_HD double erf(double x) { return ::erf(x); }

}  // namespace weft::inline WEFT_ISA::math
