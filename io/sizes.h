#pragma once

#include "weft/core/error.h"
#include "weft/core/shape.h"

namespace weft {

/// Gives `shape`, of a tensor that a file claims to hold, one axis more; false where it would have too many numbers.
inline bool add_axis(Shape& shape, std::int64_t size) {
  try {
    shape.push_back(size);
    return true;
  } catch (const ShapeError&) {
    return false;
  }
}

}  // namespace weft
