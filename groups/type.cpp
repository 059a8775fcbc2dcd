#include "weft/groups/type.h"

#include "weft/core/error.h"

namespace weft {

bool Axis::same_factor(const Axis& other) const {
  if (!factor || !other.factor) return factor == other.factor;
  // Their kinds as declared may differ: an operation weakens a sign axis to the permutation axis of another space.
  const Factor &a = *factor, &b = *other.factor;
  return kind == other.kind && (&a == &b || (a.name == b.name && a.size == b.size && a.per == b.per));
}

bool Axis::operator==(const Axis& other) const {
  return same_factor(other) && (!factor || orthogonal(kind) || role == other.role);
}

std::string Axis::str() const {
  if (!factor) return ".";
  return role == Role::covector ? factor->name + "*" : factor->name;
}

void Type::push_back(const Axis& axis) {
  if (size_ == max_axes) throw ShapeError("[type] more than {} axes", max_axes);
  axes_[static_cast<std::size_t>(size_++)] = axis;
}

int Type::head_of(int i) const {
  const Axis& axis = (*this)[i];
  if (!axis.factor || axis.factor->per.empty()) return -1;
  for (int k = 0; k < size_; ++k)
    if ((*this)[k].factor && (*this)[k].factor->name == axis.factor->per) return k;
  return -1;
}

Type Type::dual() const {
  Type out = *this;
  for (int i = 0; i < size_; ++i) out[i].role = weft::dual(out[i].role);
  return out;
}

bool Type::plain() const {
  for (int i = 0; i < size_; ++i)
    if ((*this)[i].factor && (*this)[i].kind != Kind::fixed) return false;
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
