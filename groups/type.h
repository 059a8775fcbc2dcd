#pragma once
// The type of one tensor: which group factor acts on each axis, and how. Holds no heap memory and no data.

#include <array>
#include <string>

#include "weft/groups/factor.h"

namespace weft {

/// One axis of a type. `kind` is the factor's, except where an operation weakened it (abs turns signs into
/// permutations).
struct Axis {
  const Factor* factor = nullptr;
  Role role = Role::vector;
  Kind kind = Kind::fixed;

  /// One factor acts on both, whatever the roles: the same name with the same size, kind and heads.
  bool same_factor(const Axis& other) const;
  /// Both axes transform alike: the same factor and the same role up to orthogonality.
  bool operator==(const Axis& other) const;
  /// "h2", "h1*"
  std::string str() const;
};

/// `free` leading axes on which no group acts (batch, channels, or all axes of an ordinary tensor), then typed axes.
/// Points into the factors of a Space, which must outlive it.
class Type {
 public:
  static constexpr int max_axes = 8;

  /// An ordinary tensor: all `rank` axes free.
  static Type plain(int rank) { return Type(rank); }
  Type() = default;
  explicit Type(int free) : free_(free) {}

  int free() const { return free_; }
  int size() const { return size_; }
  int rank() const { return free_ + size_; }
  const Axis& operator[](int axis) const { return axes_[static_cast<std::size_t>(axis)]; }
  Axis& operator[](int axis) { return axes_[static_cast<std::size_t>(axis)]; }
  /// Throws ShapeError beyond max_axes.
  void push_back(const Axis& axis);
  /// The axis of a tensor's dimension, counted from its slowest one: a free axis has factor == nullptr.
  Axis of_dimension(int dimension) const { return dimension < free_ ? Axis{} : (*this)[dimension - free_]; }
  /// The position among the typed axes of the head axis that axis `i` is per, or -1.
  int head_of(int i) const;

  /// Every role exchanged: the type of a gradient.
  Type dual() const;
  /// No moved axis: every axis is free or fixed.
  bool plain() const;
  bool operator==(const Type& other) const;

  /// "[., ., h2, h1*]": a dot for a free axis.
  std::string str() const;

 private:
  int free_ = 0, size_ = 0;
  std::array<Axis, max_axes> axes_{};
};

}  // namespace weft
