#pragma once
// Kinds that multiply pairs of entries by complex numbers.

#include "weft/core/random.h"
#include "weft/groups/kinds/reasons.h"
#include "weft/groups/kinds/two_places.h"

namespace weft::kind_tables {

/// Modulus in [0.5, 2], angle in [0.3, 6].
void random_pairs(ElementPart& part, std::int64_t copy, RandomKey key, const ElementRange& range);
/// One for each pair: a number whose powers no polynomial tells from all complex numbers.
std::vector<ElementPart> pair_generators(const ElementPart& identity);

constexpr KindTable of_pairs(const char* name, const char* matrices, const char* example, Mixing mixing) {
  return {.name = name,
          .matrices = matrices,
          .example = example,
          .mixing = mixing,
          .refusals = mixed,
          .randomise = random_pairs,
          .generators = pair_generators,
          .verdict = two_dual_places};
}

}  // namespace weft::kind_tables
