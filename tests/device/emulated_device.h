#pragma once

#include <memory>

#include "weft/core/backend.h"

namespace weft::testing {

/// A device that the host emulates (cuda/emulated.h), with all kernels that a GPU has. Its memory is the host's, but
/// locked: whoever touches it from elsewhere than a kernel or a copy crashes. It has room for so many bytes, and
/// refuses to record unless `records`.
std::shared_ptr<Backend> make_emulated_device(std::size_t room = std::size_t{1} << 40, bool records = true);

}  // namespace weft::testing
