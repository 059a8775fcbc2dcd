#pragma once

#include <algorithm>

#include "weft/core/memory.h"
#include "weft/core/tensor.h"

namespace weft {

/// A tensor of the host with memory of its own, 64-byte aligned, of any content: for who writes all of it at once,
/// where Tensor::zeros would go over it a second time. As somebody else's memory it does not count its changes
/// (Tensor::version).
inline Tensor uninitialised(const Shape& shape, DType dtype) {
  const auto bytes = std::max<std::size_t>(static_cast<std::size_t>(shape.numel()) * size_of(dtype), 1);
  const std::shared_ptr<void> memory(host_memory().allocate(bytes),
                                     [bytes](void* p) { host_memory().release(p, bytes); });
  return Tensor::view_of(memory.get(), shape, dtype, memory);
}

}  // namespace weft
