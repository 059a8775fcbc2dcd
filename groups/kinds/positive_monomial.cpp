// Neurons under relu and its like, which commute with every positive scale.

#include "weft/groups/kinds/places.h"
#include "weft/groups/kinds/reasons.h"

namespace weft {

constexpr KindTable kind_tables::positive_monomial{.name = "positive_monomial",
                                                   .matrices = "permutations, then a scale above 0 for each place",
                                                   .example = "positive_monomial(4)",
                                                   .ordered = true,
                                                   .scales = Scales::positive,
                                                   .refusals = scaled,
                                                   .randomise = random_places,
                                                   .generators = place_generators,
                                                   .control = &sign_monomial};

}  // namespace weft
