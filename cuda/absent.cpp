// Instead of cuda/runtime.cpp where WEFT_CUDA is off.

#include "weft/core/device.h"

namespace weft {

const CudaState& cuda_state() {
  static const CudaState state;
  return state;
}

}  // namespace weft
