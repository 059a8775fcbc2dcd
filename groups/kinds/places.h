#pragma once
// Elements of kinds whose axes have places: orders and scales.

#include "weft/core/random.h"
#include "weft/groups/element.h"

namespace weft::kind_tables {

/// A uniform order where the kind has one, uniform scales in the range, signs; by the kind's own Scales.
void random_places(ElementPart& part, std::int64_t copy, RandomKey key, const ElementRange& range);

/// A transposition and a cycle, one place scaled by 2, one sign changed: what the kind has of them.
std::vector<ElementPart> place_generators(const ElementPart& identity);

}  // namespace weft::kind_tables
