#include "weft/groups/space.h"

#include <algorithm>

#include <fmt/format.h>

#include "weft/core/error.h"

namespace weft {

struct Space::Data {
  std::vector<Factor> factors;
  std::vector<SpaceTensor> tensors;
};

namespace {

const Factor* find(const std::vector<Factor>& factors, std::string_view name) {
  for (const Factor& f : factors)
    if (f.name == name) return &f;
  return nullptr;
}

void check(const std::vector<Factor>& factors, const std::vector<SpaceTensor>& tensors) {
  for (std::size_t i = 0; i < factors.size(); ++i) {
    const Factor& f = factors[i];
    if (find(factors, f.name) != &f) throw ParseError("[space] factor '{}' is declared twice", f.name);
    if (f.size < 1) throw ParseError("[space] factor '{}' has size {}; allowed: 1 or more", f.name, f.size);
    if (f.per.empty()) continue;
    const Factor* head = find(factors, f.per);
    if (!head) throw ParseError("[space] factor '{}' is per '{}', which is not declared", f.name, f.per);
    if (f.kind == Kind::fixed)
      throw ParseError("[space] factor '{}' is fixed and per '{}'; a fixed axis needs no copies", f.name, f.per);
    if (head->kind != Kind::permutation || !head->per.empty())
      throw ParseError("[space] factor '{}' is per '{}' ({}); allowed: a permutation that is itself per nothing",
                       f.name, f.per, head->str());
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const SpaceTensor& t = tensors[i];
    for (std::size_t j = 0; j < i; ++j)
      if (tensors[j].name == t.name) throw ParseError("[space] tensor '{}' is declared twice", t.name);
    if (t.taps() < 1)
      throw ParseError("[space] tensor '{}' has taps {}x{}; allowed: 1x1 or more", t.name, t.tap_rows, t.tap_columns);
    for (const SpaceAxis& axis : t.axes) {
      const Factor& f = factors.at(static_cast<std::size_t>(axis.factor));
      if (f.per.empty()) continue;
      const auto heads = std::count_if(t.axes.begin(), t.axes.end(), [&](const SpaceAxis& a) {
        return factors[static_cast<std::size_t>(a.factor)].name == f.per;
      });
      if (heads != 1)
        throw ParseError("[space] tensor '{}' has an axis '{}' per {} and {} axes '{}'; allowed: exactly one", t.name,
                         f.name, f.per, heads, f.per);
    }
  }
}

}  // namespace

Space::Space() : Space(std::vector<Factor>{}, std::vector<SpaceTensor>{}) {}

Space::Space(std::vector<Factor> factors, std::vector<SpaceTensor> tensors) {
  check(factors, tensors);
  data_ = std::make_shared<const Data>(Data{std::move(factors), std::move(tensors)});
}

const std::vector<Factor>& Space::factors() const { return data_->factors; }
const std::vector<SpaceTensor>& Space::tensors() const { return data_->tensors; }

int Space::find_factor(std::string_view name) const {
  for (std::size_t i = 0; i < factors().size(); ++i)
    if (factors()[i].name == name) return static_cast<int>(i);
  return -1;
}

int Space::find_tensor(std::string_view name) const {
  for (std::size_t i = 0; i < tensors().size(); ++i)
    if (tensors()[i].name == name) return static_cast<int>(i);
  return -1;
}

int Space::tensor(std::string_view name) const {
  if (const int i = find_tensor(name); i >= 0) return i;
  std::string names;
  for (const auto& t : tensors()) names += (names.empty() ? "" : ", ") + t.name;
  throw UsageError("[space] no tensor '{}'; there are: {}", name, names);
}

Shape Space::axes_shape(int tensor) const {
  Shape shape;
  for (const SpaceAxis& axis : tensors()[static_cast<std::size_t>(tensor)].axes)
    shape.push_back(factors()[static_cast<std::size_t>(axis.factor)].size);
  return shape;
}

Shape Space::feature_shape(int tensor, std::int64_t batch, std::int64_t channels) const {
  const Shape axes = axes_shape(tensor);
  Shape shape{batch, channels * tensors()[static_cast<std::size_t>(tensor)].taps()};
  for (auto size : axes.sizes()) shape.push_back(size);
  return shape;
}

Type Space::type(int tensor) const {
  Type type(2);
  for (const SpaceAxis& axis : tensors()[static_cast<std::size_t>(tensor)].axes) {
    const Factor& f = factors()[static_cast<std::size_t>(axis.factor)];
    type.push_back({&f, axis.role, f.kind});
  }
  return type;
}

std::int64_t Space::parameters() const {
  std::int64_t n = 0;
  for (int i = 0; i < static_cast<int>(tensors().size()); ++i)
    n += tensors()[static_cast<std::size_t>(i)].taps() * axes_shape(i).numel();
  return n;
}

Space Space::with_kind(Kind from, Kind to) const {
  std::vector<Factor> changed = factors();
  for (Factor& f : changed)
    if (f.kind == from) f.kind = to;
  return Space(std::move(changed), tensors());
}

std::string Space::str() const {
  std::string text;
  for (const Factor& f : factors()) text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", f.name, f.str());
  for (const SpaceTensor& t : tensors()) {
    text += text.empty() ? t.name : " " + t.name;
    if (t.axes.empty() && t.taps() == 1) continue;
    text += '[';
    for (std::size_t i = 0; i < t.axes.size(); ++i)
      text += fmt::format("{}{}{}", i ? ", " : "", factors()[static_cast<std::size_t>(t.axes[i].factor)].name,
                          t.axes[i].role == Role::covector ? "*" : "");
    if (t.taps() != 1) text += fmt::format("; taps={}x{}", t.tap_rows, t.tap_columns);
    text += ']';
  }
  return text;
}

bool Space::operator==(const Space& other) const {
  return factors() == other.factors() && tensors() == other.tensors();
}

}  // namespace weft
