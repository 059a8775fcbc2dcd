#include "weft/groups/type.h"

#include <algorithm>
#include <cstdlib>

#include "weft/core/error.h"

namespace weft {
namespace {

/// Two spaces may each have the factor.
bool same(const Factor& a, const Factor& b) {
  return &a == &b || (a.name == b.name && a.size == b.size && a.per == b.per && a.along == b.along);
}

std::string str(const Character& c, AxisRole role) {
  const Factor& f = *c.factor;
  const bool signs = f.kind->has_signs(), magnitudes = f.kind->has_magnitudes();
  // What abs or a norm has left of a factor that has both.
  if (signs && magnitudes && c.odd != (c.power % 2 != 0))
    return c.power == 0 ? fmt::format("sign({})", f.name) : fmt::format("|{}|^{}", f.name, c.power);
  const int degree = magnitudes ? c.power : role == AxisRole::covector ? -1 : 1;
  return with_degree(f.name, degree);
}

}  // namespace

bool Character::operator==(const Character& other) const {
  return same(*factor, *other.factor) && power == other.power && odd == other.odd;
}

Axis::Axis(const Factor& root, AxisRole r) : factor(&root), role(r) {
  scale_by(root, role == AxisRole::vector ? 1 : -1);
}

void Axis::scale_by(const Factor& f, int degree) {
  multiply({&f, f.kind->has_magnitudes() ? degree : 0, f.kind->has_signs() && degree % 2 != 0});
}

void Axis::multiply(const Character& by) {
  auto* const end = characters_.data() + count_;
  auto* const own =
      std::find_if(characters_.data(), end, [&](const Character& c) { return same(*c.factor, *by.factor); });
  if (own == end) {
    if (by.power == 0 && !by.odd) return;
    if (count_ == max_characters)
      throw ShapeError("[type] axis '{}' would scale by more than {} factors", str(), max_characters);
    characters_[static_cast<std::size_t>(count_++)] = by;
    return;
  }
  own->power += by.power;
  if (std::abs(own->power) > max_power)
    throw ShapeError("[type] axis '{}' would scale by a power beyond {}", str(), max_power);
  own->odd ^= by.odd;
  if (own->power != 0 || own->odd) return;
  std::copy(own + 1, end, own);
  --count_;
}

FactorKind Axis::kind() const {
  if (!factor) return FactorKind::fixed;
  bool signs = false, magnitudes = false;
  for (const Character& c : characters()) {
    signs |= c.odd;
    magnitudes |= c.power != 0;
  }
  return effective_kind(factor->kind, signs, magnitudes);
}

const std::string& Axis::per() const {
  static const std::string none;
  if (!factor) return none;
  for (const Character& c : characters())
    if (factor->per.empty() && !c.factor->per.empty()) return c.factor->per;
  return factor->per;
}

template <class Change>
Axis Axis::changed(const Change& change) const {
  Axis out;
  out.factor = factor;
  out.role = role;
  for (Character c : characters()) {
    change(c);
    out.multiply(c);
  }
  return out;
}

Axis Axis::without_signs() const {
  return changed([](Character& c) { c.odd = false; });
}

Axis Axis::without_magnitudes() const {
  return changed([](Character& c) { c.power = 0; });
}

Axis Axis::times(const Axis& other) const {
  Axis out = *this;
  for (const Character& c : other.characters()) out.multiply(c);
  return out;
}

std::optional<Axis> Axis::raised(int twice) const {
  if (factor && !factor->kind->has_places()) return {};
  for (const Character& c : characters())
    if (c.power * twice % 2 != 0 || (c.odd && twice % 2 != 0)) return {};
  return changed([twice](Character& c) {
    c.power = c.power * twice / 2;
    c.odd &= twice / 2 % 2 != 0;
  });
}

Axis Axis::dual() const {
  Axis out = changed([](Character& c) { c.power = -c.power; });
  out.role = weft::dual(role);
  return out;
}

bool Axis::same_root(const Axis& other) const {
  if (!factor || !other.factor) return factor == other.factor;
  // Their kinds as declared may differ in scales: abs makes of a sign axis the permutation axis of another space.
  return same(*factor, *other.factor) && factor->kind->ordered == other.factor->kind->ordered &&
         factor->kind->mixing == other.factor->kind->mixing &&
         (factor->kind->has_places() || factor->kind == other.factor->kind);
}

bool Axis::operator==(const Axis& other) const {
  if (!same_root(other)) return false;
  if (!factor) return true;
  if (!factor->kind->has_places() && !factor->kind->self_dual && role != other.role) return false;
  return count_ == other.count_ && std::is_permutation(characters().begin(), characters().end(),
                                                       other.characters().begin(), other.characters().end());
}

std::string Axis::str() const {
  if (!factor) return ".";
  std::string text;
  for (const Character& c : characters()) text += (text.empty() ? "" : "&") + weft::str(c, role);
  if (!text.empty()) return text;
  if (factor->kind->scales != Scales::none) return factor->name + "^0";
  return role == AxisRole::covector ? factor->name + "*" : factor->name;
}

void Type::push_back(const Axis& axis) {
  if (size_ == max_axes) throw ShapeError("[type] more than {} axes", max_axes);
  axes_[static_cast<std::size_t>(size_++)] = axis;
}

int Type::head_of(int i) const {
  const std::string& per = (*this)[i].per();
  if (per.empty()) return -1;
  for (int k = 0; k < size_; ++k)
    if ((*this)[k].factor && (*this)[k].factor->name == per) return k;
  return -1;
}

Type Type::dual() const {
  Type out = *this;
  for (int i = 0; i < size_; ++i) out[i] = out[i].dual();
  return out;
}

bool Type::plain() const {
  for (int i = 0; i < size_; ++i)
    if ((*this)[i].moves()) return false;
  return true;
}

bool Type::operator==(const Type& other) const {
  if (free_ != other.free_ || size_ != other.size_) return false;
  for (int i = 0; i < size_; ++i)
    if (!((*this)[i] == other[i])) return false;
  return true;
}

std::string Type::str() const {
  std::string text = "[";
  for (int i = 0; i < rank(); ++i) text += (i ? ", " : "") + of_dimension(i).str();
  return text + "]";
}

}  // namespace weft
