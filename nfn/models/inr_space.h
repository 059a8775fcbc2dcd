#pragma once
// What readers of implicit networks have in common: which spaces they read, and settings.

#include <vector>

#include "weft/core/settings.h"
#include "weft/groups/space.h"

namespace weft {

/// Whether the networks are dense ones whose hidden neurons have signs, as those of sine networks have.
bool is_sine_network(const Space& space);
/// Their widths. Throws UsageError for other networks.
std::vector<std::int64_t> sine_widths(const Space& space);

Setting frequencies_setting(std::int64_t usual);
Setting dropout_setting(double usual);

}  // namespace weft
