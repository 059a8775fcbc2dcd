#include "weft/tests/random_space.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

namespace weft::testing {
namespace {

std::string random_name(Draw& draw, std::size_t number) {
  static const std::vector<std::string> stems = {"h", "W", "per_", "taps", "x", "GL", "Wq.0.", "a_b"};
  return fmt::format("{}{}{}", draw.of(stems), number, draw.chance(0.2) ? ".1" : "");
}

Factor random_factor(Draw& draw, std::size_t number, const std::vector<Factor>& before) {
  Factor f;
  f.name = random_name(draw, number);
  f.kind = draw.of(std::vector<Kind>(std::begin(all_kinds), std::end(all_kinds)));
  f.size = 1 + draw.below(4);
  std::vector<std::string> heads;
  for (const Factor& h : before)
    if (h.kind == Kind::permutation && h.per.empty()) heads.push_back(h.name);
  if (f.kind != Kind::fixed && !heads.empty() && draw.chance(0.4)) f.per = draw.of(heads);
  return f;
}

SpaceTensor random_tensor(Draw& draw, std::size_t number, const std::vector<Factor>& factors) {
  SpaceTensor t{random_name(draw, number), {}};
  const std::int64_t count = draw.below(5);
  for (std::int64_t i = 0; i < count; ++i)
    t.axes.push_back({static_cast<int>(draw.below(static_cast<std::int64_t>(factors.size()))),
                      draw.chance(0.5) ? Role::vector : Role::covector});
  // An axis per h needs exactly one axis h: leave out the axes that miss theirs.
  auto has_head = [&](const SpaceAxis& axis) {
    const std::string& per = factors[static_cast<std::size_t>(axis.factor)].per;
    return per.empty() || std::count_if(t.axes.begin(), t.axes.end(), [&](const SpaceAxis& a) {
                            return factors[static_cast<std::size_t>(a.factor)].name == per;
                          }) == 1;
  };
  std::vector<SpaceAxis> kept;
  std::copy_if(t.axes.begin(), t.axes.end(), std::back_inserter(kept), has_head);
  t.axes = kept;
  if (!t.axes.empty() && draw.chance(0.3)) {
    t.tap_rows = 1 + draw.below(3);
    t.tap_columns = 1 + draw.below(3);
  }
  return t;
}

}  // namespace

std::string mangled(std::string text, Draw& draw) {
  static const std::string alphabet = "[](),;:=*+#.019 xhWGLp\n\xff";
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

Space random_space(Key key) {
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
