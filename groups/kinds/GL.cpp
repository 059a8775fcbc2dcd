// Spaces between two linear maps: queries with keys, values with the output's map, low-rank adapters.

#include <cmath>

#include "weft/groups/kinds/matrices.h"
#include "weft/groups/kinds/reasons.h"
#include "weft/groups/kinds/two_places.h"

namespace weft {
namespace {

/// Q1 diag(s) Q2 and its inverse Q2^T diag(1/s) Q1^T, with s spread over [1, condition].
void randomise(ElementPart& part, std::int64_t copy, RandomKey own, const ElementRange& range) {
  const RandomKey key = own.at("GL");
  const std::int64_t n = part.size;
  const auto m = kind_tables::copy_of(part.matrix, part, copy),
             inverse = kind_tables::copy_of(part.inverse, part, copy);
  std::vector<double> a(m.size()), b(m.size()), s(static_cast<std::size_t>(n));
  kind_tables::random_orthogonal(a, n, key.at("left"));
  kind_tables::random_orthogonal(b, n, key.at("right"));
  for (std::int64_t i = 0; i < n; ++i) {
    // A single direction may not keep its length either; two or more cover the whole range.
    const double share = n == 1 ? 0.5 : static_cast<double>(i) / static_cast<double>(n - 1);
    s[static_cast<std::size_t>(i)] = std::pow(range.condition, share);
  }
  auto entry = [n](std::vector<double>& x, std::int64_t i, std::int64_t j) -> double& {
    return x[static_cast<std::size_t>(i * n + j)];
  };
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < n; ++j) {
      double forward = 0, backward = 0;
      for (std::int64_t k = 0; k < n; ++k) {
        forward += entry(a, k, i) * s[static_cast<std::size_t>(k)] * entry(b, k, j);
        backward += entry(b, k, i) / s[static_cast<std::size_t>(k)] * entry(a, k, j);
      }
      m[static_cast<std::size_t>(i * n + j)] = forward;
      inverse[static_cast<std::size_t>(i * n + j)] = backward;
    }
}

/// One direction doubled, and the shears E_ij without the permutations that carry one to the others.
std::vector<ElementPart> generators(const ElementPart& identity) {
  const auto n = static_cast<std::size_t>(identity.size);
  std::vector<ElementPart> out{identity};
  out[0].matrix[0] = 2;
  out[0].inverse[0] = 0.5;
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j)
      if (i != j) {
        out.push_back(identity);
        out.back().matrix[i * n + j] = 1;
        out.back().inverse[i * n + j] = -1;
      }
  return out;
}

}  // namespace

constexpr KindTable kind_tables::GL{.name = "GL",
                                    .matrices = "all invertible matrices",
                                    .example = "GL(3)",
                                    .mixing = Mixing::matrix,
                                    .refusals = mixed,
                                    .randomise = randomise,
                                    .generators = generators,
                                    .verdict = two_dual_places};

}  // namespace weft
