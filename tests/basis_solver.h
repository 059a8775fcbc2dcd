#pragma once
// How many linear equivariant maps are there? Solved numerically, without a look at the rule of typed terms: the
// derived layers must have exactly as many (spec 7.4). Channels d = e = 1.

#include <string>
#include <vector>

#include "weft/groups/element.h"
#include "weft/groups/space.h"

namespace weft::testing {

/// Elements whose products are dense in the group, so that what they leave in place the whole group does: those of
/// each factor's kind, of a factor per h on one head only where the heads' permutations carry it to the others.
std::vector<Element> generators(const Space& space);

/// The dimension of the space of linear maps from tensor `source` of `in` (from the numbers, for -1) to tensor `target`
/// of `out` that commute with all `elements` of the group of `in`. Throws NumericError when rounding leaves it open.
int equivariant_dimension(const Space& in, int source, const Space& out, int target,
                          const std::vector<Element>& elements);

/// What the terms of a derived layer are as maps.
struct DerivedMaps {
  int count = 0;     ///< of its parameters
  int rank = 0;      ///< of the maps that they multiply
  double error = 0;  ///< largest |g T - T g| over all maps T and elements g
};

/// Of the terms of `terms` (one a line, as derive_linear writes them) from `source` to `target`.
DerivedMaps derived_maps(const std::string& terms, const Space& in, int source, const Space& out, int target,
                         const std::vector<Element>& elements);

}  // namespace weft::testing
