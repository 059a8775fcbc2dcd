// The update rules of the list, each in one pass over values, gradients and states.

#include "weft/cuda/launch.h"
#include "weft/cuda/tables.h"

namespace weft::cuda::inline WEFT_ISA {
namespace {

template <template <class> class Rule, class T>
void constants(const UpdateRule& rule, double learning_rate, std::int64_t step, void* to) {
  static_assert(sizeof(Rule<T>) <= DeviceUpdate<T>::constants_bytes);
  new (to) Rule<T>(rule, learning_rate, step);
}

template <template <class> class Rule, class T>
void update(const void* constants, std::int64_t n, T* values, const T* grads, T* first, T* second, int* spoiled) {
  const Update<Rule<T>, T> body{static_cast<const Rule<T>*>(constants), values, grads, first, second, spoiled};
  launch_range(Rule<T>::name, body, body.plan(n));
}

}  // namespace

#define WEFT_FLOAT(kind, Body) {constants<Body, float>, update<Body, float>},
#define WEFT_DOUBLE(kind, Body) {constants<Body, double>, update<Body, double>},

const DeviceUpdateKernels update_kernels = {{WEFT_UPDATE_RULES(WEFT_FLOAT)}, {WEFT_UPDATE_RULES(WEFT_DOUBLE)}};

}  // namespace weft::cuda::inline WEFT_ISA
