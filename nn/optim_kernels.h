#pragma once
// The table of update kernels of one instruction set: rule x dtype.

#include <cstddef>
#include <cstdint>

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

/// A device's, in two parts, so that a recorded launch holds for all steps: what changes from step to step lies in the
/// device's memory.
template <class T>
struct DeviceUpdate {
  /// Room for the constants of any rule.
  static constexpr std::size_t constants_bytes = 128;

  /// Writes them for one step; `to` is the host's.
  void (*constants)(const UpdateRule& rule, double learning_rate, std::int64_t step, void* to);
  /// As UpdateKernel, with all pointers the device's; `*spoiled`, zero before, becomes 1 when a gradient is not finite.
  void (*run)(const void* constants, std::int64_t n, T* values, const T* grads, T* first, T* second, int* spoiled);
};

struct DeviceUpdateKernels {
  DeviceUpdate<float> of_float[static_cast<int>(UpdateRule::Kind::count)];
  DeviceUpdate<double> of_double[static_cast<int>(UpdateRule::Kind::count)];
};

}  // namespace weft
