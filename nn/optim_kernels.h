#pragma once
// The table of update kernels of one instruction set: rule x dtype.

#include "weft/nn/optim_rules.h"

namespace weft {

/// See update_range() in nn/optim.h.
template <class T>
using UpdateKernel = bool (*)(const UpdateRule& rule, double learning_rate, std::int64_t step, std::int64_t n,
                              T* values, const T* grads, T* first, T* second);

struct UpdateKernels {
  UpdateKernel<float> of_float[static_cast<int>(UpdateRule::Kind::count)];
  UpdateKernel<double> of_double[static_cast<int>(UpdateRule::Kind::count)];
};

}  // namespace weft
