// Spaces that are only measured by inner products: an untied stream whose norms are folded away, a space of cosines.

#include <cmath>

#include "weft/groups/kinds/matrices.h"
#include "weft/groups/kinds/reasons.h"
#include "weft/groups/kinds/two_places.h"

namespace weft {
namespace {

void transpose(std::span<const double> a, std::span<double> b, std::size_t n) {
  for (std::size_t e = 0; e < n * n; ++e) b[kind_tables::transposed(e, n)] = a[e];
}

void randomise(ElementPart& part, std::int64_t copy, RandomKey key, const ElementRange& range) {
  const auto m = kind_tables::copy_of(part.matrix, part, copy);
  kind_tables::random_orthogonal(m, part.size, key.at("orthogonal"));
  if (part.size == 1 && range.avoid_identity) m[0] = -1;
  transpose(m, kind_tables::copy_of(part.inverse, part, copy), static_cast<std::size_t>(part.size));
}

const char* complaint(const ElementPart& part) {
  const auto n = static_cast<std::size_t>(part.size);
  for (std::size_t e = 0; e < part.matrix.size(); ++e)
    if (!(std::abs(part.matrix[e] - part.inverse[kind_tables::transposed(e, n)]) < 1e-8))
      return "the inverse is not the transpose";
  return nullptr;
}

/// A rotation of the first place with every other by one radian, no power of which is the identity, and a reflection.
std::vector<ElementPart> generators(const ElementPart& identity) {
  const auto n = static_cast<std::size_t>(identity.size);
  std::vector<ElementPart> out;
  for (std::size_t i = 0; i < n; ++i) {
    ElementPart part = identity;
    if (i == 0) {
      part.matrix[0] = -1;
    } else {
      part.matrix[0] = part.matrix[i * n + i] = std::cos(1.0);
      part.matrix[i] = -std::sin(1.0);
      part.matrix[i * n] = std::sin(1.0);
    }
    transpose(std::span(part.matrix).first(n * n), std::span(part.inverse).first(n * n), n);
    out.push_back(part);
  }
  return out;
}

}  // namespace

constexpr KindTable kind_tables::orthogonal{
    .name = "orthogonal",
    .matrices = "orthogonal matrices",
    .example = "orthogonal(3)",
    .mixing = Mixing::matrix,
    .self_dual = true,
    .refusals = refusing({{Action::reduce, "{op} over an axis that {kind} mixes; contract it with another of its kind"},
                          {Action::normalise_along, nullptr}},
                         mixed),
    .randomise = randomise,
    .complaint = complaint,
    .generators = generators,
    .verdict = two_places};

}  // namespace weft
