#pragma once
// The rule: when is a term equivariant (spec 7.2, 8.3)? Decided index by index, from the places where it stands.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weft/groups/factor.h"

namespace weft {

/// One place where an index stands in a feature, in a let or on the left.
struct TermPlace {
  bool left = false;
  std::string tensor;
  int factor = -1;                         ///< the root of its axis
  AxisRole role = AxisRole::vector;        ///< of a root without scales
  std::vector<FactorDegree> degrees = {};  ///< of factors with scales; a let's axis may have others than 1 and -1
  bool headed = false;                     ///< some factor of the axis has copies
  int head = -1;  ///< index over them; -1 when there are none, or the let on the left does not keep it
};

/// What the rule says of one index of a term.
struct TermVerdict {
  bool allowed = true;
  std::string reason;
};

/// The rule on an index that stands at `places` (one or more), their factors in `factors`, and in the learned tensor
/// `learned` if that is not empty.
TermVerdict term_verdict(const std::vector<Factor>& factors, std::span<const TermPlace> places,
                         std::string_view learned = {});

/// How a place transforms, in words: "vector", "power 2", "s&n*".
std::string in_words(const std::vector<Factor>& factors, const TermPlace& place);

}  // namespace weft
