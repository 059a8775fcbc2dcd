#pragma once
// Adding into gradients, on the CPU in whole rows or on a device.

#include "weft/core/loop.h"
#include "weft/ops/view_bodies.h"

namespace weft {

/// `add` on `rows` rows, on the CPU (null) or a device.
template <class T>
void add_rows(Backend* device, std::int64_t rows, const AddRows<T>& add) {
  if (device) return loop(device, rows * add.length, 1, add);
  for (std::int64_t r = 0; r < rows; ++r) {
    T* to = add.to + r * add.to_step;
    const T* from = add.from + r * add.from_step;
    if (add.accumulate)
      for (std::int64_t i = 0; i < add.length; ++i) to[i] += from[i];
    else
      for (std::int64_t i = 0; i < add.length; ++i) to[i] = from[i];
  }
}

}  // namespace weft
