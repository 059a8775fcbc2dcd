#pragma once
// MAGEP's layers of many sizes, for the tests of their schedules.

#include <fmt/format.h>

#include "weft/nfn/magep/equivariant.h"
#include "weft/nfn/magep/invariant.h"
#include "weft/tests/layer_checks.h"

namespace weft::testing {

using Widths = std::vector<std::int64_t>;

struct MagepCase {
  Widths widths;
  std::int64_t d, e, batch;
};

// L = 2..6; both ways of factoring (n_L <= n_0 + 1 and above); odd widths, widths of 1 and beyond a tile; on a device
// teams of blocks and, in the last two, of warps; sums over more networks than one block of parts.
inline const std::vector<MagepCase> magep_cases = {
    {{3, 5, 2}, 2, 3, 5},          {{1, 1, 1}, 1, 1, 1},
    {{2, 6, 7, 4}, 3, 2, 2},       {{1, 4, 5, 6, 3}, 2, 2, 1},
    {{2, 7, 9, 1}, 5, 4, 3},       {{1, 16, 16, 16, 10}, 20, 20, 3},
    {{2, 3, 4, 5, 6, 1}, 2, 3, 2}, {{3, 2, 1, 4, 2, 5, 2}, 2, 2, 2},
    {{2, 17, 33, 1}, 17, 18, 2},   {{2, 37, 33, 1}, 3, 2, 2},
    {{4, 1, 3, 9}, 3, 5, 2},       {{1, 40, 70, 3}, 26, 7, 17},
    {{1, 34, 3}, 26, 3, 80},       {{2, 3, 2, 1}, 66, 2, 33},
};

inline std::string text(const MagepCase& c) {
  return fmt::format("{} d {} e {} batch {}", fmt::join(c.widths, "-"), c.d, c.e, c.batch);
}

template <class Made>
Made made(const Space& space, const MagepCase& c) {
  return Made(Module(), "layer", space, c.d, c.e);
}

}  // namespace weft::testing
