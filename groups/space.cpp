#include "weft/groups/space.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
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
  const int i = position_of(factors, name);
  return i < 0 ? nullptr : &factors[static_cast<std::size_t>(i)];
}

/// Names that the text form can hold: letter (\w | ".")*, but for its words.
void check_name(const char* what, const std::string& name) {
  auto word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.'; };
  if (name.empty() || !std::isalpha(static_cast<unsigned char>(name[0])) ||
      !std::all_of(name.begin(), name.end(), word) || name == "per" || name == "along")
    throw ParseError(
        "[space] {} '{}'; allowed as a name: a letter, then letters, digits, '_' and '.', but not 'per' or 'along'",
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

void check_per(const Factor& f, const std::vector<Factor>& factors) {
  if (f.per.empty()) return;
  const Factor* head = find(factors, f.per);
  if (!head) throw ParseError("[space] factor '{}' is per '{}', which is not declared", f.name, f.per);
  if (!f.kind->moves())
    throw ParseError("[space] factor '{}' is {} and per '{}'; a fixed axis needs no copies", f.name, f.kind->name,
                     f.per);
  if (!head->kind->has_places() || head->kind->scales != Scales::none || !head->per.empty() || !head->along.empty())
    throw ParseError(
        "[space] factor '{}' is per '{}' ({}); allowed: a permutation or a fixed factor that is itself per nothing",
        f.name, f.per, head->str());
}

void check_along(const Factor& f, const std::vector<Factor>& factors) {
  if (f.along.empty()) return;
  const Factor* root = find(factors, f.along);
  if (!root) throw ParseError("[space] factor '{}' is along '{}', which is not declared", f.name, f.along);
  if (f.kind->scales == Scales::none)
    throw ParseError("[space] factor '{}' ({}) is along '{}' and scales nothing; allowed: a monomial kind", f.name,
                     f.str(), f.along);
  if (!root->kind->has_places() || !root->along.empty() || root->size != f.size)
    throw ParseError(
        "[space] factor '{}' ({}) is along '{}' ({}); allowed: places of its own size, with an order of their own",
        f.name, f.str(), f.along, root->str());
  if (f.per == f.along)
    throw ParseError("[space] factor '{}' ({}) is per the places that it is along; allowed: per another factor", f.name,
                     f.str());
  if (!f.per.empty() && root->kind->moves())
    throw ParseError(
        "[space] factor '{}' ({}) is per '{}' along '{}' ({}), whose copies it takes; allowed: a per of its own along "
        "a "
        "fixed factor",
        f.name, f.str(), f.per, f.along, root->str());
}

void check_factors(const std::vector<Factor>& factors) {
  for (const Factor& f : factors) {
    check_name("factor", f.name);
    if (find(factors, f.name) != &f) throw ParseError("[space] factor '{}' is declared twice", f.name);
    if (f.size < 1 || f.size > max_factor_size)
      throw ParseError("[space] factor '{}' has size {}; allowed: 1 to {}", f.name, f.size, max_factor_size);
    if (f.kind->has_pairs() && f.size % 2 != 0)
      throw ParseError("[space] factor '{}' ({}) has an odd size; allowed: pairs of places", f.name, f.str());
    check_per(f, factors);
    check_along(f, factors);
  }
}

}  // namespace

/// The tensors of a space whose factors are checked.
void Space::check(int tensor) const {
  const SpaceTensor& t = tensors()[static_cast<std::size_t>(tensor)];
  check_name("tensor", t.name);
  if (find_tensor(t.name) != tensor) throw ParseError("[space] tensor '{}' is declared twice", t.name);
  if (t.tap_rows < 1 || t.tap_columns < 1)
    throw ParseError("[space] tensor '{}' has taps {}x{}; allowed: 1x1 or more", t.name, t.tap_rows, t.tap_columns);
  if (t.axes.empty() && t.taps() > 1)
    throw ParseError("[space] tensor '{}' has taps {}x{} and no axes; a kernel connects two layers", t.name, t.tap_rows,
                     t.tap_columns);
  for (const SpaceAxis& axis : t.axes) {
    std::vector<int> named{axis.factor};
    for (const FactorDegree& c : axis.characters) named.push_back(c.factor);
    for (const int factor : named)
      if (factor < 0 || static_cast<std::size_t>(factor) >= factors().size())
        throw ParseError("[space] tensor '{}' has an axis over factor {} of {}", t.name, factor, factors().size());
    check(t, axis);
  }
  for (const SpaceAxis& axis : t.axes) check_heads(t, axis);
}

void Space::check(const SpaceTensor& t, const SpaceAxis& axis) const {
  const Factor& root = factors()[static_cast<std::size_t>(axis.factor)];
  const auto refuse = [&](const std::string& why) {
    throw ParseError("[space] tensor '{}' has an axis '{}'{}", t.name, str(axis), why);
  };
  if (axis.characters.size() > Axis::max_characters)
    refuse(fmt::format(" of {} factors; allowed: up to {}", axis.characters.size(), Axis::max_characters));
  if (!root.along.empty())
    refuse(fmt::format(", whose places are those of '{}'; allowed as root: '{}'", root.along, root.along));
  for (const FactorDegree& c : axis.characters) {
    const Factor& f = factors()[static_cast<std::size_t>(c.factor)];
    if (Space::root(c.factor) != axis.factor)
      refuse(fmt::format(" of '{}' and '{}'; allowed: factors along one root", root.name, f.name));
    if (!f.kind->has_places() && axis.characters.size() > 1)
      refuse(fmt::format(", but '{}' ({}) has no places to scale; allowed: it alone", f.name, f.str()));
    if (!f.kind->has_places()) refuse(fmt::format(" of degree {}; allowed for {}: 1 and -1", c.degree, f.kind->name));
    if (c.degree < -max_degree || c.degree > max_degree)
      refuse(fmt::format(" of degree {}; allowed: -{} to {}", c.degree, max_degree, max_degree));
    if (std::count_if(axis.characters.begin(), axis.characters.end(),
                      [&](const FactorDegree& other) { return other.factor == c.factor; }) > 1)
      refuse(fmt::format(", which names '{}' twice; allowed: one degree", f.name));
  }
  if (axis.characters.empty()) return;
  const auto& [factor, degree] = axis.characters[0];
  const bool is_role = axis.characters.size() == 1 && factor == axis.factor && (degree == 1 || degree == -1);
  if (is_role || axis.role != AxisRole::vector) refuse(" by its degrees and by a role; allowed: one of them");
}

void Space::check_heads(const SpaceTensor& t, const SpaceAxis& axis) const {
  int head = heads(axis.factor);
  for (const FactorDegree& c : axis.characters) {
    const int own = heads(c.factor);
    if (head >= 0 && own >= 0 && own != head)
      throw ParseError("[space] tensor '{}' has an axis '{}' per {} and per {}; allowed: one", t.name, str(axis),
                       factors()[static_cast<std::size_t>(head)].name, factors()[static_cast<std::size_t>(own)].name);
    if (own >= 0) head = own;
  }
  if (head < 0) return;
  const auto count = std::count_if(t.axes.begin(), t.axes.end(), [&](const SpaceAxis& a) { return a.factor == head; });
  const std::string& name = factors()[static_cast<std::size_t>(head)].name;
  if (count != 1)
    throw ParseError("[space] tensor '{}' has an axis '{}' per {} and {} axes '{}'; allowed: exactly one", t.name,
                     str(axis), name, count, name);
}

Space::Space() : Space(std::vector<Factor>{}, std::vector<SpaceTensor>{}) {}

Space::Space(std::vector<Factor> factors, std::vector<SpaceTensor> tensors) {
  check_factors(factors);
  data_ = std::make_shared<const Data>(Data{std::move(factors), std::move(tensors)});
  std::int64_t parameters = 0;
  for (std::size_t i = 0; i < Space::tensors().size(); ++i) {
    check(static_cast<int>(i));
    const SpaceTensor& t = Space::tensors()[i];
    const std::optional<std::int64_t> n = numbers(t, Space::factors());
    if (!n || *n > max_numel - parameters)
      throw ParseError(
          "[space] tensor '{}' of {} numbers is too large; allowed: fewer than 2^60 numbers in all tensors, so that 64 "
          "bits count their bytes",
          t.name, sizes(t, Space::factors()));
    parameters += *n;
  }
}

const std::vector<Factor>& Space::factors() const& { return data_->factors; }
const std::vector<SpaceTensor>& Space::tensors() const& { return data_->tensors; }

int Space::find_factor(std::string_view name) const { return position_of(factors(), name); }

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

int Space::root(int factor) const {
  const std::string& along = factors()[static_cast<std::size_t>(factor)].along;
  return along.empty() ? factor : find_factor(along);
}

int Space::heads(int factor) const {
  const std::string& own = factors()[static_cast<std::size_t>(factor)].per;
  const std::string& per = own.empty() ? factors()[static_cast<std::size_t>(root(factor))].per : own;
  return per.empty() ? -1 : find_factor(per);
}

std::int64_t Space::copies(int factor) const {
  const int head = heads(factor);
  return head < 0 ? 1 : factors()[static_cast<std::size_t>(head)].size;
}

std::vector<FactorDegree> Space::characters(const SpaceAxis& axis) const {
  if (!axis.characters.empty()) return axis.characters;
  return {{axis.factor, axis.role == AxisRole::vector ? 1 : -1}};
}

int Space::head_of(int tensor, int axis) const {
  const auto& axes = tensors()[static_cast<std::size_t>(tensor)].axes;
  for (const FactorDegree& c : characters(axes[static_cast<std::size_t>(axis)]))
    for (std::size_t k = 0; k < axes.size(); ++k)
      if (axes[k].factor == heads(c.factor)) return static_cast<int>(k);
  return -1;
}

std::string Space::str(const SpaceAxis& axis) const {
  std::string text;
  for (const auto& [factor, degree] : characters(axis))
    text += (text.empty() ? "" : "&") + with_degree(factors()[static_cast<std::size_t>(factor)].name, degree);
  return text;
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
  for (const SpaceAxis& own : tensors()[static_cast<std::size_t>(tensor)].axes) {
    const Factor& root = factors()[static_cast<std::size_t>(own.factor)];
    Axis axis = own.characters.empty() ? Axis(root, own.role) : Axis(root);
    for (const FactorDegree& c : own.characters) axis.scale_by(factors()[static_cast<std::size_t>(c.factor)], c.degree);
    type.push_back(axis);
  }
  return type;
}

std::int64_t Space::dimension() const {
  std::int64_t sum = 0;
  for (int f = 0; f < std::ssize(factors()); ++f) sum += dimension(f);
  return sum;
}

std::int64_t Space::dimension(int factor) const {
  const Factor& f = factors()[static_cast<std::size_t>(factor)];
  return copies(factor) * f.kind->dimension(f.size);
}

std::int64_t Space::parameters() const {
  std::int64_t n = 0;
  for (int i = 0; i < static_cast<int>(tensors().size()); ++i)
    n += tensors()[static_cast<std::size_t>(i)].taps() * axes_shape(i).numel();
  return n;
}

Space Space::with_kind(FactorKind from, FactorKind to) const {
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
    for (std::size_t i = 0; i < t.axes.size(); ++i) text += (i ? ", " : "") + str(t.axes[i]);
    if (t.taps() != 1) text += fmt::format("; taps={}x{}", t.tap_rows, t.tap_columns);
    text += ']';
  }
  return text;
}

bool Space::operator==(const Space& other) const {
  return factors() == other.factors() && tensors() == other.tensors();
}

}  // namespace weft
