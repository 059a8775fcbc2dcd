#include "weft/groups/kinds/places.h"

#include <numeric>
#include <span>

namespace weft::kind_tables {
namespace {

void random_order(std::span<std::int32_t> order, RandomKey key, bool avoid_identity) {
  const auto n = order.size();
  const auto drawn = weft::permutation(static_cast<std::int64_t>(n), key);
  bool same = true;
  for (std::size_t i = 0; i < n; ++i) same &= drawn[i] == static_cast<std::int32_t>(i);
  for (std::size_t i = 0; i < n; ++i) order[i] = drawn[same && avoid_identity ? (i + 1) % n : i];
}

void random_signs(std::span<double> scale, RandomKey key, bool avoid_identity) {
  const auto n = scale.size();
  std::vector<double> sign(n);
  for (std::size_t i = 0; i < n; ++i) sign[i] = uniform(key, i) < 0.5 ? -1 : 1;
  if (avoid_identity) sign[0] = n > 1 ? -sign[n - 1] : -1;
  for (std::size_t i = 0; i < n; ++i) scale[i] *= sign[i];
}

}  // namespace

void random_places(ElementPart& part, std::int64_t copy, RandomKey key, const ElementRange& range) {
  const auto n = static_cast<std::size_t>(part.size), begin = static_cast<std::size_t>(copy) * n;
  if (!part.order.empty()) random_order(std::span(part.order).subspan(begin, n), key.at("order"), range.avoid_identity);
  if (part.kind->has_magnitudes())
    for (std::size_t i = 0; i < n; ++i)
      part.scale[begin + i] = uniform(key.at("scale"), i, range.scale_low, range.scale_high);
  if (part.kind->has_signs() && range.signs)
    random_signs(std::span(part.scale).subspan(begin, n), key.at("sign"), range.avoid_identity);
}

std::vector<ElementPart> place_generators(const ElementPart& identity) {
  const auto n = static_cast<std::size_t>(identity.size);
  std::vector<ElementPart> out;
  if (!identity.order.empty() && n > 1) {
    out.assign(2, identity);
    std::swap(out[0].order[0], out[0].order[1]);
    for (std::size_t i = 0; i < n; ++i) out[1].order[i] = static_cast<std::int32_t>((i + 1) % n);
  }
  // Where no order carries one place to the others, each is scaled by itself.
  for (std::size_t i = 0; i < (identity.order.empty() ? n : 1); ++i) {
    if (identity.kind->has_magnitudes()) {
      out.push_back(identity);
      out.back().scale[i] = 2;
    }
    if (identity.kind->has_signs()) {
      out.push_back(identity);
      out.back().scale[i] = -1;
    }
  }
  return out;
}

}  // namespace weft::kind_tables
