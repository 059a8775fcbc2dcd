#pragma once
// The sum of the losses of an epoch: a body of core/loop.h.

#include <cstdint>

#include "weft/core/hd.h"

namespace weft {

/// sum += weight loss, in double: over the one number of a loss. So a device keeps it until somebody asks.
template <class T>
struct AddLoss {
  static constexpr const char* name = "add_loss";
  const T* loss;
  double* sum;
  double weight;
};

#define WEFT_LOSS_SUM_LOOPS(X) \
  X(AddLoss<float>)            \
  X(AddLoss<double>)

inline namespace WEFT_ISA {

template <class T>
WEFT_HD void loop_at(const AddLoss<T>& b, std::int64_t i) {
  *b.sum += b.weight * static_cast<double>(b.loss[i]);
}

}  // namespace WEFT_ISA
}  // namespace weft
