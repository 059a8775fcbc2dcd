#pragma once

#include "weft/core/tensor.h"

namespace weft {

/// A tensor of the host with memory of its own, 64-byte aligned, of any content: for who writes all of it at once,
/// where Tensor::zeros would go over it a second time. As somebody else's memory it does not count its changes
/// (Tensor::version).
Tensor uninitialised(const Shape& shape, DType dtype);

}  // namespace weft
