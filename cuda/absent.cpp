// Instead of cuda/runtime.cpp where WEFT_CUDA is off.

#include "weft/core/backend.h"

namespace weft {

const CudaState& cuda_state() {
  static const CudaState state;
  return state;
}

std::shared_ptr<Backend> make_cuda_backend(Device) {
  throw UsageError("[device] this build has no CUDA");  // require_device() has refused before
}

}  // namespace weft
