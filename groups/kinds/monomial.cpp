// Units between linear maps, as the gated half of a gated network; scales of norms, along the stream that they scale.

#include "weft/groups/kinds/places.h"
#include "weft/groups/kinds/reasons.h"

namespace weft {

constexpr KindTable kind_tables::monomial{
    .name = "monomial",
    .matrices = "permutations, then a scale, not 0, for each place",
    .example = "monomial(4)",
    .ordered = true,
    .scales = Scales::any,
    .refusals = refusing(
        {{Action::pointwise_homogeneous, "{op} does not commute with a change of sign; take abs first"}}, scaled),
    .randomise = random_places,
    .generators = place_generators};

}  // namespace weft
