// An axis whose places never move: classes, pixels, taps, embedding dimensions that other networks share.

#include "weft/groups/kind.h"

namespace weft {

constexpr KindTable kind_tables::fixed{
    .name = "fixed", .matrices = "the identity alone", .example = "fixed(3)", .self_dual = true};

}  // namespace weft
