#include "weft/groups/kinds/pairs.h"

#include <cmath>

#include "weft/groups/element.h"

namespace weft::kind_tables {
namespace {

void set(ElementPart& part, std::size_t i, double modulus, double angle) {
  part.re[i] = modulus * std::cos(angle);
  part.im[i] = modulus * std::sin(angle);
}

}  // namespace

void random_pairs(ElementPart& part, std::int64_t copy, RandomKey key, const ElementRange& range) {
  const auto pairs = static_cast<std::size_t>(part.size / 2);
  // A range of 1 asks for what changes no norm.
  const double reach = range.condition > 1 ? 2 : 1;
  for (std::size_t p = 0; p < pairs; ++p)
    set(part, static_cast<std::size_t>(copy) * pairs + p, uniform(key.at("modulus"), p, 1 / reach, reach),
        uniform(key.at("angle"), p, 0.3, 6));
}

std::vector<ElementPart> pair_generators(const ElementPart& identity) {
  std::vector<ElementPart> out;
  for (std::size_t p = 0; p < static_cast<std::size_t>(identity.size / 2); ++p) {
    out.push_back(identity);
    set(out.back(), p, 2, 1);
  }
  return out;
}

}  // namespace weft::kind_tables
