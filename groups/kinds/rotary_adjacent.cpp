// As rotary, for networks that store a pair's two places side by side.

#include "weft/groups/kinds/pairs.h"

namespace weft {

constexpr KindTable kind_tables::rotary_adjacent =
    of_pairs("rotary_adjacent", "a complex number, not 0, for each pair of places (2p, 2p + 1)", "rotary_adjacent(4)",
             Mixing::adjacent);

}  // namespace weft
