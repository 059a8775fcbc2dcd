#include "weft/tests/math_kernels.h"

#include "weft/core/hd.h"
#include "weft/core/math.h"

namespace weft::inline WEFT_ISA {

template <class T, auto function>
void over(const T* x, T* y, std::int64_t n) {
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) y[i] = function(x[i]);
}

// Lambdas, not addresses: the compiler must inline what it is to vectorise.
#define WEFT_OVER(T, f) over<T, [](T x) { return math::f(x); }>
#define WEFT_FLOAT(f, low, high, ulp) {#f, low, high, ulp, WEFT_OVER(float, f)},
#define WEFT_DOUBLE(f, low, high, ulp) {#f, low, high, ulp, WEFT_OVER(double, f)},

extern const MathKernels math_kernels;
const MathKernels math_kernels = {{WEFT_MATH_FUNCTIONS(WEFT_FLOAT)}, {WEFT_MATH_FUNCTIONS(WEFT_DOUBLE)}};

}  // namespace weft::inline WEFT_ISA
