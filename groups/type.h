#pragma once
// The type of one tensor: which group factors act on each axis, and how. Holds no heap memory and no data.

#include <array>
#include <optional>
#include <span>
#include <string>

#include "weft/groups/factor.h"

namespace weft {

/// A factor's scales on an axis: abs(scale)^power, and the sign where the parity is odd. A degree k of the text is
/// power and parity k; abs forgets the one, division by a norm the other.
struct Character {
  const Factor* factor = nullptr;
  int power = 0;
  bool odd = false;

  bool operator==(const Character& other) const;
};

/// One axis of a type (spec 8.1): its places move with the root factor, then scale by the product of its characters. A
/// root without places acts by its matrix, or by the inverse's transpose.
class Axis {
 public:
  static constexpr int max_characters = 4;

  const Factor* factor = nullptr;  ///< the root; null for a free axis
  AxisRole role = AxisRole::vector;

  /// A free axis.
  Axis() = default;
  /// `h` and `h*`: by degree 1 or -1 of the root where it scales.
  Axis(const Factor& root, AxisRole role);
  /// `h^0`: without characters.
  explicit Axis(const Factor& root) : factor(&root) {}
  /// Multiplies by factor^degree. Throws ShapeError beyond max_characters.
  void scale_by(const Factor& factor, int degree);

  std::span<const Character> characters() const { return {characters_.data(), static_cast<std::size_t>(count_)}; }

  /// By whose rules it is judged (spec 8.1); a free axis is fixed.
  FactorKind kind() const;
  /// Some element changes it.
  bool moves() const { return kind()->moves(); }
  /// The factor over whose places copies run along this axis, by name; empty for none.
  const std::string& per() const;

  /// What abs leaves of it, and division by a norm over the channels.
  Axis without_signs() const;
  Axis without_magnitudes() const;
  /// Of a product of two features: places move alike, degrees add.
  Axis times(const Axis& other) const;
  /// Of a power of a feature, twice / 2: every degree times that. Nothing where a degree has no such multiple, or where
  /// the factor mixes entries.
  std::optional<Axis> raised(int twice) const;
  /// Of a gradient.
  Axis dual() const;

  /// One factor moves both: the same name, size and heads.
  bool same_root(const Axis& other) const;
  /// Both axes transform alike: the same root, characters and role up to self-duality.
  bool operator==(const Axis& other) const;
  /// A sum over both leaves nothing that moves: of a vector with its covector, or a self-dual factor.
  bool contracts(const Axis& other) const { return *this == other.dual(); }
  /// "h2", "h1*", "f^0", "s&n*"
  std::string str() const;

 private:
  void multiply(const Character& by);
  template <class Change>
  Axis changed(const Change& change) const;

  std::array<Character, max_characters> characters_{};  ///< in order of their first use, none of them trivial
  int count_ = 0;
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

  /// The type of a gradient.
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
