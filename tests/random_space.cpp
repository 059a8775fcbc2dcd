#include "weft/tests/random_space.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

#include <fmt/format.h>

#include "weft/core/error.h"

namespace weft::testing {
namespace {

std::string random_name(Draw& draw, std::size_t number) {
  static const std::vector<std::string> stems = {"h", "W", "per_", "taps", "x", "GL", "Wq.0.", "a_b"};
  return fmt::format("{}{}{}", draw.of(stems), number, draw.chance(0.2) ? ".1" : "");
}

Factor random_factor(Draw& draw, std::size_t number, const std::vector<Factor>& before) {
  Factor f;
  f.name = random_name(draw, number);
  f.kind = draw.of(std::vector<FactorKind>(std::begin(all_kinds), std::end(all_kinds)));
  f.size = 1 + draw.below(4);
  if (f.kind->has_pairs()) f.size *= 2;
  std::vector<Factor> heads, roots;
  for (const Factor& h : before) {
    if (!h.kind->has_places() || !h.along.empty()) continue;
    roots.push_back(h);
    if (h.kind->scales == Scales::none && h.per.empty()) heads.push_back(h);
  }
  if (f.kind->moves() && !heads.empty() && draw.chance(0.4)) f.per = draw.of(heads).name;
  if (f.kind->scales != Scales::none && !roots.empty() && draw.chance(0.5)) {
    const Factor root = draw.of(roots);
    f.along = root.name;
    f.size = root.size;
    if (root.kind->moves() || f.per == root.name) f.per.clear();
  }
  return f;
}

/// By its role, or by degrees of the factor and of another with the same places.
SpaceAxis random_axis(Draw& draw, const std::vector<Factor>& factors) {
  const auto position = [&](const std::string& name) {
    return static_cast<int>(
        std::find_if(factors.begin(), factors.end(), [&](const Factor& f) { return f.name == name; }) -
        factors.begin());
  };
  const auto root_of = [&](int f) {
    const std::string& along = factors[static_cast<std::size_t>(f)].along;
    return along.empty() ? f : position(along);
  };
  const auto any = [&] { return static_cast<int>(draw.below(static_cast<std::int64_t>(factors.size()))); };
  const int first = any(), root = root_of(first);
  const bool places = factors[static_cast<std::size_t>(first)].kind->has_places();
  if (first == root && (!places || draw.chance(0.6)))
    return {root, draw.chance(0.5) ? AxisRole::vector : AxisRole::covector};
  const int second = any();
  const auto degree = [&] { return static_cast<int>(draw.below(9)) - 4; };
  SpaceAxis axis{root, AxisRole::vector, {{first, degree()}}};
  if (second != first && root_of(second) == root)
    axis.characters.push_back({second, degree()});
  else if (first == root && std::abs(axis.characters[0].degree) == 1)
    axis.characters[0].degree = 0;  // a degree of 1 or -1 alone is a role
  return axis;
}

SpaceTensor random_tensor(Draw& draw, std::size_t number, const std::vector<Factor>& factors) {
  const std::string name = random_name(draw, number);
  // Axes with copies need the axis that carries them, and one alone: drawn until they have it.
  for (int trial = 0; trial < 10; ++trial) {
    SpaceTensor t{name, {}};
    for (std::int64_t i = draw.below(5); i > 0; --i) t.axes.push_back(random_axis(draw, factors));
    if (!t.axes.empty() && draw.chance(0.3)) {
      t.tap_rows = 1 + draw.below(3);
      t.tap_columns = 1 + draw.below(3);
    }
    try {
      Space(factors, {t});
      return t;
    } catch (const ParseError&) {}
  }
  return {name, {}};
}

}  // namespace

std::string mangled(std::string text, Draw& draw) {
  static const std::string alphabet = "[](),;:=*+#.019 xhWGLp&^-\n\xff";
  for (std::int64_t changes = 1 + draw.below(4); changes > 0 && !text.empty(); --changes) {
    const auto at = static_cast<std::size_t>(draw.below(static_cast<std::int64_t>(text.size())));
    switch (draw.below(4)) {
      case 0:
        text[at] = draw.of(alphabet);
        break;
      case 1:
        text.erase(at, 1 + static_cast<std::size_t>(draw.below(3)));
        break;
      case 2:
        text.insert(at, text.substr(at, static_cast<std::size_t>(draw.below(12))));
        break;
      default:
        text.insert(at, 1, draw.of(alphabet));
    }
  }
  return text;
}

Space random_space(RandomKey key) {
  Draw draw(key);
  std::vector<Factor> factors;
  std::vector<SpaceTensor> tensors;
  const auto factor_count = static_cast<std::size_t>(1 + draw.below(7)),
             tensor_count = static_cast<std::size_t>(1 + draw.below(6));
  while (factors.size() < factor_count) factors.push_back(random_factor(draw, factors.size(), factors));
  while (tensors.size() < tensor_count) tensors.push_back(random_tensor(draw, tensors.size(), factors));
  return Space(std::move(factors), std::move(tensors));
}

}  // namespace weft::testing
