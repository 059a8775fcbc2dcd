#pragma once
// The weights of a network while it is folded (spec 8.9), and what folds do with them. Axes are told apart by their
// factors: what two tensors have in common is what they have over the same factor.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "weft/core/tensor.h"
#include "weft/networks/files/file_space.h"

namespace weft {

/// A small tensor in float64: a bias, a mean.
struct Block {
  std::vector<int> factors;  ///< of its axes, in the space; -1 for taps
  std::vector<std::int64_t> sizes;
  std::vector<double> numbers;

  bool zero() const { return all(0); }
  /// Whether all numbers are this one.
  bool all(double value) const;
};

/// Places [from, to) of an axis of a tensor.
struct AxisPlaces {
  int tensor, axis;  ///< the taps are axis 0 where there are several
  std::int64_t from = 0, to = -1;
};

class FoldedNumbers {
 public:
  /// The weights are changed in place.
  FoldedNumbers(const FileSpace& files, std::vector<Tensor>& weights) : files_(files), weights_(weights) {}

  const FileSpace& files() const { return files_; }
  /// The tensors of the space that are of a text's tensor, or the one that is one of its windows. Empty where the file
  /// lacks it.
  std::vector<int> named(const std::string& name) const;
  /// The one of that name, or -1; throws UsageError for several.
  int one(const std::string& name) const;
  /// The bias of a weight, or -1.
  int bias_of(int weight) const;
  /// Tensors with the factor to the degree -1, each with the axis that has it.
  std::vector<AxisPlaces> readers(int factor) const;
  /// The axis over that factor, of one; throws UsageError otherwise.
  AxisPlaces over(int tensor, int factor) const;
  /// Factors of the axes, and sizes.
  Block layout(int tensor) const;

  Block block(int tensor) const;
  void fill(int tensor, double value);
  /// Adds it to all places that the block does not tell apart.
  void add(int tensor, const Block& block);
  /// The sums over what `target` has no axis of: of `weight` times what it reads.
  Block product(int weight, const Block& read, Block target) const;
  /// The same of one axis, its places times `by`, whose factor another axis may have, too.
  Block product(AxisPlaces axis, const Block& by, Block target) const;
  /// The sums over an axis, its places times `by`; for each place of the others.
  Block sums(AxisPlaces axis, const Block& by) const;
  /// Adds `times` that to all places of the axis.
  void add_along(AxisPlaces axis, const Block& rest, double times);
  /// Multiplies the places of an axis.
  void scale(AxisPlaces axis, const Block& by);
  /// Multiplies rows: the places of the first axes, as many as `by` has.
  void scale_rows(int tensor, const Block& by);
  /// Takes the mean over the places away, and returns it; one within rounding of the tensor's largest number is 0.
  Block without_mean(AxisPlaces axis);

 private:
  const FileSpace& files_;
  std::vector<Tensor>& weights_;
};

}  // namespace weft
