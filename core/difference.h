#pragma once
// How far numbers are from what they should be: the one measure of every check, of the library and of its tests.

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "weft/core/tensor.h"

namespace weft {

/// The larger of two errors, NaN where either is. std::max and fmax may drop a NaN, and then the check passes.
inline double worse(double a, double b) { return a > b || std::isnan(a) ? a : b; }

/// The largest difference of numbers from those expected. It has no measure and is NaN for good once a number on either
/// side is NaN or infinite, or shapes differ: then neither `error < bound` holds nor, of a control that must fail,
/// `error > bound`.
class Difference {
 public:
  void add(double got, double expected) {
    const bool measurable = std::isfinite(got) && std::isfinite(expected);
    absolute_ = worse(absolute_, measurable ? std::abs(got - expected) : std::numeric_limits<double>::quiet_NaN());
    size_ = worse(size_, std::abs(expected));
  }
  void add(std::span<const double> got, std::span<const double> expected);
  /// Of float32 or float64, each of its own, on the CPU.
  void add(const Tensor& got, const Tensor& expected);

  /// The largest |got - expected|; 0 when nothing was added.
  double absolute() const { return absolute_; }
  /// The same over the largest |expected|, or over `least` when that is larger. All-zero numbers are to be met exactly.
  double relative(double least = 1e-300) const { return absolute_ / std::max(size_, least); }
  /// The largest |expected|.
  double size() const { return size_; }

 private:
  double absolute_ = 0, size_ = 0;
};

/// Difference::absolute of one tensor.
double largest_difference(const Tensor& got, const Tensor& expected);
/// Difference::relative of one list, or of one tensor.
double relative_error(std::span<const double> got, std::span<const double> expected);
double relative_error(const Tensor& got, const Tensor& expected, double least = 1e-300);
/// The worst of several tensors, each relative to its own numbers; NaN when their counts differ or there are none.
double relative_error(std::span<const Tensor> got, std::span<const Tensor> expected);

/// The worst of the blocks into which an axis cuts a tensor (its channels, say), each relative to its own largest
/// expected number, so that small ones count beside large ones. Blocks below a thousandth of the tensor's largest
/// number are relative to that thousandth: a sum of large terms that cancel keeps the terms' rounding.
double relative_error_of_blocks(const Tensor& got, const Tensor& expected, int axis);

}  // namespace weft
