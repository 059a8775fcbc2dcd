// Neurons under odd activations, tanh and sin; the stream of a network with root mean square norms.

#include "weft/groups/kinds/places.h"
#include "weft/groups/kinds/reasons.h"

namespace weft {

constexpr KindTable kind_tables::sign_monomial{
    .name = "sign_monomial",
    .matrices = "permutations, then a sign for each place",
    .example = "sign_monomial(4)",
    .ordered = true,
    .scales = Scales::sign,
    .self_dual = true,
    .refusals = refusing(
        {{Action::reduce,
          "{op} adds entries with different signs; contract with another sign axis of the same factor, or take abs "
          "first"},
         {Action::broadcast,
          "{op} would repeat one value over entries whose signs differ; multiply by a feature of that axis"},
         {Action::mix, "{op} does not commute with signs; take abs first, or contract the axis"},
         {Action::select, places_move},
         {Action::pointwise_any, not_odd},
         {Action::pointwise_homogeneous, not_odd},
         {Action::add_constant, "{op}: a constant does not change sign; add a feature of that axis"}}),
    .randomise = random_places,
    .generators = place_generators,
    .control = &positive_monomial};

}  // namespace weft
