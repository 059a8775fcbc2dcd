#include "weft/groups/space.h"

#include <algorithm>
#include <cctype>
#include <optional>

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

/// Names that the text form can hold: letter (\w | ".")*, but for its word `per`.
void check_name(const char* what, const std::string& name) {
  auto word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.'; };
  if (name.empty() || !std::isalpha(static_cast<unsigned char>(name[0])) ||
      !std::all_of(name.begin(), name.end(), word) || name == "per")
    throw ParseError("[space] {} '{}'; allowed as a name: a letter, then letters, digits, '_' and '.', but not 'per'",
                     what, name);
}

/// How many numbers the tensor has, taps included, or nothing beyond max_numel.
std::optional<std::int64_t> numbers(const SpaceTensor& t, const std::vector<Factor>& factors) {
  std::optional<std::int64_t> n = product_of_sizes(t.tap_rows, t.tap_columns);
  for (const SpaceAxis& axis : t.axes)
    if (n) n = product_of_sizes(*n, factors[static_cast<std::size_t>(axis.factor)].size);
  return n;
}

/// "2147483647 x 2147483647", "16 x 3 x 3x3 taps"
std::string sizes(const SpaceTensor& t, const std::vector<Factor>& factors) {
  std::string text = t.axes.empty() ? "1" : "";
  for (const SpaceAxis& axis : t.axes)
    text += fmt::format("{}{}", text.empty() ? "" : " x ", factors[static_cast<std::size_t>(axis.factor)].size);
  if (t.taps() != 1) text += fmt::format(" x {}x{} taps", t.tap_rows, t.tap_columns);
  return text;
}

void check(const std::vector<Factor>& factors, const std::vector<SpaceTensor>& tensors) {
  for (std::size_t i = 0; i < factors.size(); ++i) {
    const Factor& f = factors[i];
    check_name("factor", f.name);
    if (find(factors, f.name) != &f) throw ParseError("[space] factor '{}' is declared twice", f.name);
    if (f.size < 1 || f.size > max_factor_size)
      throw ParseError("[space] factor '{}' has size {}; allowed: 1 to {}", f.name, f.size, max_factor_size);
    if (f.per.empty()) continue;
    const Factor* head = find(factors, f.per);
    if (!head) throw ParseError("[space] factor '{}' is per '{}', which is not declared", f.name, f.per);
    if (f.kind == Kind::fixed)
      throw ParseError("[space] factor '{}' is fixed and per '{}'; a fixed axis needs no copies", f.name, f.per);
    if (head->kind != Kind::permutation || !head->per.empty())
      throw ParseError("[space] factor '{}' is per '{}' ({}); allowed: a permutation that is itself per nothing",
                       f.name, f.per, head->str());
  }
  std::int64_t parameters = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const SpaceTensor& t = tensors[i];
    check_name("tensor", t.name);
    for (std::size_t j = 0; j < i; ++j)
      if (tensors[j].name == t.name) throw ParseError("[space] tensor '{}' is declared twice", t.name);
    if (t.tap_rows < 1 || t.tap_columns < 1)
      throw ParseError("[space] tensor '{}' has taps {}x{}; allowed: 1x1 or more", t.name, t.tap_rows, t.tap_columns);
    if (t.axes.empty() && t.taps() > 1)
      throw ParseError("[space] tensor '{}' has taps {}x{} and no axes; a kernel connects two layers", t.name,
                       t.tap_rows, t.tap_columns);
    for (const SpaceAxis& axis : t.axes) {
      if (axis.factor < 0 || static_cast<std::size_t>(axis.factor) >= factors.size())
        throw ParseError("[space] tensor '{}' has an axis over factor {} of {}", t.name, axis.factor, factors.size());
      const Factor& f = factors[static_cast<std::size_t>(axis.factor)];
      if (f.per.empty()) continue;
      const auto heads = std::count_if(t.axes.begin(), t.axes.end(), [&](const SpaceAxis& a) {
        return factors[static_cast<std::size_t>(a.factor)].name == f.per;
      });
      if (heads != 1)
        throw ParseError("[space] tensor '{}' has an axis '{}' per {} and {} axes '{}'; allowed: exactly one", t.name,
                         f.name, f.per, heads, f.per);
    }
    const std::optional<std::int64_t> n = numbers(t, factors);
    if (!n || *n > max_numel - parameters)
      throw ParseError(
          "[space] tensor '{}' of {} numbers is too large; allowed: fewer than 2^60 numbers in all tensors, so that 64 "
          "bits "
          "count their bytes",
          t.name, sizes(t, factors));
    parameters += *n;
  }
}

}  // namespace

Space::Space() : Space(std::vector<Factor>{}, std::vector<SpaceTensor>{}) {}

Space::Space(std::vector<Factor> factors, std::vector<SpaceTensor> tensors) {
  check(factors, tensors);
  data_ = std::make_shared<const Data>(Data{std::move(factors), std::move(tensors)});
}

const std::vector<Factor>& Space::factors() const& { return data_->factors; }
const std::vector<SpaceTensor>& Space::tensors() const& { return data_->tensors; }

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
  const SpaceTensor& t = tensors()[static_cast<std::size_t>(tensor)];
  const std::optional<std::int64_t> folded = product_of_sizes(channels, t.taps());
  if (!folded)
    throw ShapeError("[space] tensor '{}' with {} channels of {}x{} taps; allowed: fewer than 2^60 numbers", t.name,
                     channels, t.tap_rows, t.tap_columns);
  Shape shape{batch, *folded};
  for (auto size : axes.sizes()) shape.push_back(size);
  return shape;
}

Type Space::type(int tensor) const& {
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

Space Space::without_taps() const {
  std::vector<SpaceTensor> changed = tensors();
  for (SpaceTensor& t : changed) t.tap_rows = t.tap_columns = 1;
  return Space(factors(), std::move(changed));
}

std::string Space::str() const {
  std::string text;
  for (const Factor& f : factors()) text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", f.name, f.str());
  for (const SpaceTensor& t : tensors()) {
    text += text.empty() ? t.name : " " + t.name;
    if (t.axes.empty()) continue;
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
