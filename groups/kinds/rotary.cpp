// What commutes with rotary position embedding (spec 8.2): queries and keys meet as q^T R(j - i) k with rotations R of
// the pairs by distinct frequencies, and one complex number a pair is all that leaves every such product as it is.

#include "weft/groups/kinds/pairs.h"

namespace weft {

constexpr KindTable kind_tables::rotary =
    of_pairs("rotary", "a complex number, not 0, for each pair of places (p, p + n/2)", "rotary(4)", Mixing::halves);

}  // namespace weft
