#pragma once
// The legal ways to give indices to the axes of an output tensor and of the features that are multiplied. Internal to
// derive.cpp.

#include "weft/groups/derive.h"
#include "weft/groups/term.h"

namespace weft {

/// Which index every place of a term has, counted in order of their first place: places with one number share it.
using Blocks = std::vector<int>;

/// The axes of one output tensor, then of each feature.
class Pairing {
 public:
  Pairing(const TermList& list, const DeriveOptions& options, int target, std::span<const int> sources);

  /// All legal ways, in the order in which they come when every place in turn takes each earlier index that it may,
  /// then a new one. Of ways that differ in fixed places alone those that share least: phi sees the places, and others
  /// are special cases.
  std::vector<Blocks> run();

  std::size_t size() const { return places_.size(); }
  /// 0 for the output, then the number of the feature.
  int operand(std::size_t place) const { return operands_[place]; }
  bool left(std::size_t place) const { return places_[place].left; }
  std::int64_t places(std::size_t place) const { return factor(place).size; }
  /// The place's index stands in a learned tensor.
  bool learned(std::size_t place) const;
  /// How the layer treats the place's axis; mixed where it moves.
  AlongFixed along(std::size_t place) const;
  /// Vectors less covectors are as many on the right as on the left, signs not modulo 2.
  bool strict(const Blocks& blocks) const;

 private:
  using Group = std::vector<std::size_t>;  ///< the places of one factor

  void append(bool left, int tensor);
  const Factor& factor(std::size_t place) const {
    return list_.factors()[static_cast<std::size_t>(places_[place].factor)];
  }
  bool fixed(std::size_t place) const { return !factor(place).kind->moves(); }
  std::vector<Group> groups() const;
  bool carries_copies(const Group& group) const;
  void choose(const std::vector<Group>& groups, std::size_t g);
  std::vector<Blocks> ways(const Group& group) const;
  void partitions(const Group& group, Blocks& blocks, int used, std::vector<Blocks>& legal, std::size_t& tried) const;
  bool allowed(const Group& group, const Blocks& blocks, int block) const;
  bool finer(const Blocks& a, const Blocks& b) const;
  void share_between_sides(const Group& group, const Blocks& way, std::vector<Blocks>& shared) const;

  const TermList& list_;
  const DeriveOptions& options_;
  std::vector<TermPlace> places_;  ///< heads are positions here
  std::vector<int> operands_;
  int next_operand_ = 1;
  Blocks index_;  ///< of the way that is being chosen: the first place with the same index
  std::vector<Blocks> all_;
};

/// With indices counted in order of their first place.
Blocks renumbered(const Blocks& blocks);

}  // namespace weft
