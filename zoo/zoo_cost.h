#pragma once
// What a zoo costs, before it is made.

#include "weft/zoo/make_zoo.h"

namespace weft {

struct ZooCost {
  std::int64_t networks = 0, checkpoints = 0;  ///< of the part that the plan says
  double flops = 0;                            ///< of training and judging all of them; 0 where it is not known
  double bytes = 0;                            ///< of the weights on disk
  double seconds = 0;                          ///< of this process with its threads
  double measured_flops = 0;                   ///< a second, while it was measured

  /// The same shared by so many ranks, each as fast as this process: the longest share's.
  double seconds_of(std::int64_t ranks) const;
};

/// Trains and judges a few networks of the plan for a moment; writes nothing. Throws what PopulationTrainer throws.
ZooCost measure_cost(const PopulationModel& model, const Dataset& train, const Dataset& test, const ZooPlan& plan);

}  // namespace weft
