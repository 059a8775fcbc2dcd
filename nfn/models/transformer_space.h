#pragma once
// Whole transformers, told by their space.

#include "weft/groups/space.h"

namespace weft {

/// What transformer_network_space() makes a space of, without a residual stream.
struct TransformerSizes {
  TransformerShape shape;
  TransformerEnds ends;
};

bool is_transformer(const Space& space);
/// Throws TypeError for another space.
TransformerSizes transformer_sizes(const Space& space);

}  // namespace weft
