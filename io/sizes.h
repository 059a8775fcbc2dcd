#pragma once

#include <cstdint>
#include <limits>

#include "weft/core/shape.h"

namespace weft {

/// Bytes of a tensor that a file claims to hold, or -1 when they do not fit in 63 bits. Zero sizes are left out of that
/// decision, so that [0, 2^62, 2^62] is refused too: a view of its later axes would overflow.
inline std::int64_t checked_bytes(const Shape& shape, std::size_t item_bytes) {
  auto product = static_cast<std::int64_t>(item_bytes);
  bool empty = false;
  for (std::int64_t size : shape.sizes()) {
    empty = empty || size == 0;
    if (size == 0) continue;
    if (product > std::numeric_limits<std::int64_t>::max() / size) return -1;
    product *= size;
  }
  return empty ? 0 : product;
}

}  // namespace weft
