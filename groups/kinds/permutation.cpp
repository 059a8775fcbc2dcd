// Neurons under any activation, heads, experts: their order means nothing.

#include "weft/groups/kinds/places.h"
#include "weft/groups/kinds/reasons.h"

namespace weft {

constexpr KindTable kind_tables::permutation{.name = "permutation",
                                             .matrices = "permutation matrices",
                                             .example = "permutation(4)",
                                             .ordered = true,
                                             .self_dual = true,
                                             .refusals = refusing({{Action::select, places_move}}),
                                             .randomise = random_places,
                                             .generators = place_generators,
                                             .control = &positive_monomial};

}  // namespace weft
