#pragma once
// One training step (forward, backward, Adam) of the benchmark models (spec 2.6), timed: what the command line prints.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "weft/core/backend.h"

namespace weft::apps {

struct StepTiming {
  std::string name;
  std::int64_t parameters = 0;  ///< all, trained or not
  double min_s = 0, median_s = 0;
  /// Of the process beyond what it held before the model was built; of a device what parameters, gradients and state
  /// take there, and the largest step.
  double peak_mib = 0;
  std::vector<std::string> fallbacks;  ///< slow paths that the step took, and why
};

/// Trains on random weights, batch and sizes of the published benchmarks, for `seconds` after three steps of warming
/// up. name: cnn (float32, batch 8), inr (batch 32), transformer1 or transformer2 (batch 16, one or two equivariant
/// layers). Throws UsageError for another. On a device the step is recorded, and every one is waited for.
StepTiming time_step(std::string_view name, double seconds, Backend* backend = nullptr);

/// "cnn weft parameters=… min_ms=… median_ms=… peak_mib=…"
std::string str(const StepTiming& timing);

}  // namespace weft::apps
