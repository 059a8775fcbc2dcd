#pragma once

#include <memory>

#include "weft/core/backend.h"

namespace weft::testing {

/// A device that refuses to record; null where that cannot be had.
std::shared_ptr<Backend> device_without_recordings();

}  // namespace weft::testing
