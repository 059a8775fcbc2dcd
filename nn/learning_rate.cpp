#include "weft/nn/learning_rate.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace weft {

double WarmupCosine::operator()(std::int64_t step) const {
  if (step < warmup) return peak * static_cast<double>(step + 1) / static_cast<double>(warmup);
  const auto length = static_cast<double>(std::max<std::int64_t>(total - warmup, 1));
  const double share = std::min(1.0, static_cast<double>(step - warmup + 1) / length);
  return floor + (peak - floor) * 0.5 * (1 + std::cos(std::numbers::pi * share));
}

}  // namespace weft
