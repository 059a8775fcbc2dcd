#pragma once
// For sources that call CUDA's run time.

#include <cuda_runtime_api.h>

#include "weft/cuda/errors.h"

namespace weft::cuda {

/// Throws DeviceError when `code` is one of a failure; `who` called.
inline void check(cudaError_t code, const char* who) {
  if (code == cudaSuccess) return;
  cudaGetLastError();  // else the next launch would be blamed for it
  throw call_failed(who, cudaGetErrorName(code), cudaGetErrorString(code));
}

}  // namespace weft::cuda
