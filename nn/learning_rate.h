#pragma once

#include <cstdint>

namespace weft {

/// Learning rate of a step: rises linearly over the first `warmup` steps, then falls along a cosine to `floor` at step
/// `total` (spec 3.5).
struct WarmupCosine {
  double peak, floor;
  std::int64_t warmup, total;
  /// step: 0-based. Step warmup - 1 has the peak; steps from total - 1 on have the floor.
  double operator()(std::int64_t step) const;
};

}  // namespace weft
