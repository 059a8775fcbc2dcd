#pragma once
// Which networks of a zoo are fit to be read by models.

#include <functional>

#include "weft/zoo/store.h"

namespace weft {

/// Beyond it a network is on its way to diverge, and products of its layers, and of the layers of a model that reads
/// it, leave float32: MAGEP's did so at 77. No other network of the zoos in docs/experiments.md reached 34.
inline constexpr float largest_weight = 50;

/// Whether models read a checkpoint at all: its network did not diverge, nor has it a weight beyond largest_weight. Is
/// asked of rows of this zoo.
std::function<bool(const ZooRow&)> readable_rows(const Zoo& zoo);

}  // namespace weft
