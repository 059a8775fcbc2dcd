#pragma once
// Random equations of contract() against a loop over all letters.

#include <string>

#include "weft/core/backend.h"
#include "weft/core/random.h"

namespace weft::testing {

/// One random equation with random sizes, which may be 0 and 1 (and some tens when `large`): its value, with or without
/// bias and activation, and the gradients of its inputs, all in float64 and the value in float32 as well. Memory that
/// the step takes holds NaN before. Returns what is wrong, or an empty string. On a device when one is given.
std::string check_contraction(RandomKey key, bool large, Backend* backend = nullptr);

}  // namespace weft::testing
