// Compiled once per instruction set: the update bodies in one loop over a range, by one thread.

#include "weft/nn/optim_kernels.h"

namespace weft::inline WEFT_ISA {

namespace {

template <template <class> class Body, class T>
bool update(const UpdateRule& rule, double learning_rate, std::int64_t step, std::int64_t n, T* values, const T* grads,
            T* first, T* second) {
  const Body<T> body(rule, learning_rate, step);
  T check = 0;  // g - g is 0, or NaN where g is not finite
#pragma omp simd reduction(+ : check)
  for (std::int64_t i = 0; i < n; ++i) {
    check += grads[i] - grads[i];
    update_at(body, i, values, grads, first, second);
  }
  return check == 0;
}

}  // namespace

#define WEFT_FLOAT(kind, Body) update<Body, float>,
#define WEFT_DOUBLE(kind, Body) update<Body, double>,

extern const UpdateKernels update_kernels;
const UpdateKernels update_kernels = {{WEFT_UPDATE_RULES(WEFT_FLOAT)}, {WEFT_UPDATE_RULES(WEFT_DOUBLE)}};

}  // namespace weft::inline WEFT_ISA
