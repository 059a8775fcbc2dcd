#pragma once
// The texts of what can fail on a device, apart from what core/device.h says.

#include <string_view>

#include "weft/core/error.h"

namespace weft::cuda {

/// A kernel that did not start.
inline DeviceError launch_failed(std::string_view op, std::string_view code, std::string_view words) {
  return DeviceError("[{}] the CUDA kernel did not start: {} ({})", op, code, words);
}

/// What was enqueued earlier failed while it ran: CUDA tells at the next wait.
inline DeviceError run_failed(std::string_view who, std::string_view code, std::string_view words) {
  return DeviceError("[{}] an earlier CUDA kernel failed: {} ({}); run with CUDA_LAUNCH_BLOCKING=1 to learn which", who,
                     code, words);
}

inline DeviceError call_failed(std::string_view who, std::string_view code, std::string_view words) {
  return DeviceError("[{}] CUDA said {} ({})", who, code, words);
}

/// Of a library that is opened when `who` needs it for `use`.
inline DeviceError library_missing(std::string_view who, std::string_view library, std::string_view words,
                                   std::string_view use) {
  return DeviceError("[{}] {} cannot be opened: {}; {}: install it or add it to LD_LIBRARY_PATH", who, library, words,
                     use);
}

}  // namespace weft::cuda
