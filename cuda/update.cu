// The update rules of the list, each in one pass over values, gradients and states.

#include "weft/cuda/launch.cuh"
#include "weft/cuda/tables.h"

namespace weft::cuda {
namespace {

template <template <class> class Rule, class T>
void update(const UpdateRule& rule, double learning_rate, std::int64_t step, std::int64_t n, T* values, const T* grads,
            T* first, T* second, int* spoiled) {
  const Update<Rule<T>, T> body{Rule<T>(rule, learning_rate, step), values, grads, first, second, spoiled};
  launch_range(Rule<T>::name, body, body.plan(n));
}

}  // namespace

#define WEFT_FLOAT(kind, Body) update<Body, float>,
#define WEFT_DOUBLE(kind, Body) update<Body, double>,

const UpdateLaunches update_kernels = {{WEFT_UPDATE_RULES(WEFT_FLOAT)}, {WEFT_UPDATE_RULES(WEFT_DOUBLE)}};

}  // namespace weft::cuda
