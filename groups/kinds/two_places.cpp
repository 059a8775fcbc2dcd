#include "weft/groups/kinds/two_places.h"

#include <algorithm>

#include <fmt/format.h>

namespace weft::kind_tables {
namespace {

struct Counts {
  std::ptrdiff_t right, left;
};

Counts count(std::span<const TermPlace> places) {
  const auto left = std::count_if(places.begin(), places.end(), [](const TermPlace& p) { return p.left; });
  return {std::ssize(places) - left, left};
}

const char* allowed(const Counts& c) {
  return c.left == 1 ? "kept in its role"
         : c.left    ? "writes the identity matrix"
                     : "a vector with a covector: contracted";
}

}  // namespace

TermVerdict two_dual_places(std::span<const TermPlace> places) {
  const Counts c = count(places);
  if (c.right + c.left != 2)
    return {false,
            fmt::format("stands {} times on the right and {} on the left; allowed: once on each side, or a vector "
                        "and a covector on one",
                        c.right, c.left)};
  const bool same = places[0].role == places[1].role;
  if (same == (c.left == 1)) return {true, allowed(c)};
  return {false, same ? "stands twice in the same role; allowed: a vector with a covector"
                      : "is a vector on one side and a covector on the other; allowed: the same role"};
}

TermVerdict two_places(std::span<const TermPlace> places) {
  const Counts c = count(places);
  if (c.right + c.left == 2) return {true, c.left == 1 ? "kept" : c.left ? allowed(c) : "contracted with itself"};
  return {false,
          fmt::format("stands {} times on the right and {} on the left; allowed: at two places", c.right, c.left)};
}

}  // namespace weft::kind_tables
