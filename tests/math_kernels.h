#pragma once
// core/math.h in loops, compiled once per instruction set: for the tests and the benchmark, which name the tables by
// WEFT_ISA_TABLE(MathKernels, math_kernels).

#include <cstdint>

/// X(function, low, high, ulp): the sweep of the test and the error allowed there.
#define WEFT_MATH_FUNCTIONS(X) \
  X(exp, -110, 95, 1.0)        \
  X(expm1, -30, 95, 1.4)       \
  X(log, 0, 1e30, 1.0)         \
  X(sin, -1e6, 1e6, 1.6)       \
  X(cos, -1e6, 1e6, 1.6)       \
  X(tanh, -12, 12, 1.3)        \
  X(sigmoid, -110, 110, 2.4)   \
  X(erf, -5, 5, 1.1)           \
  X(sqrt, 0, 1e30, 0.5001)     \
  X(rsqrt, 0, 1e30, 1.5)

namespace weft {

template <class T>
struct MathKernel {
  const char* name;
  double low, high, ulp;
  void (*run)(const T* x, T* y, std::int64_t n);
};

struct MathKernels {
#define WEFT_COUNT(...) +1
  static constexpr int count = 0 WEFT_MATH_FUNCTIONS(WEFT_COUNT);
#undef WEFT_COUNT
  MathKernel<float> of_float[count];
  MathKernel<double> of_double[count];
};

}  // namespace weft
