#pragma once
// A basis of the vectors of D places in which the sum is one coordinate, and those of sum 0 are the D - 1 others
// (spec 8.6): the reflection that takes the first basis vector to the vector of ones, divided by its length. It is
// orthogonal and its own inverse, and takes O(D) a vector.

#include <cstdint>
#include <span>
#include <vector>

#include "weft/networks/files/file_space.h"

namespace weft {

/// Of the axes of a window whose part is none of places, over numbers that lie densely, row-major.
class SumBasis {
 public:
  explicit SumBasis(std::span<const WindowAxis> window);

  /// Whether there are such axes.
  bool changes() const { return !own_.empty(); }
  /// Whether a file's axis has numbers of another window too.
  bool keeps() const { return keeps_; }
  /// To that basis, and back.
  template <class T>
  void change(T* numbers) const;
  /// Whether all sums that must be 0 are, up to rounding of the largest number; asked in that basis.
  template <class T>
  bool sums_are_zero(const T* numbers) const;

  /// Where in that basis the window's numbers are, and by what they are multiplied.
  std::span<const WindowAxis> axes() const { return axes_; }
  std::int64_t offset() const { return offset_; }
  std::int64_t numel() const { return numel_; }
  double scale() const { return scale_; }

 private:
  struct Axis {
    std::int64_t size, stride;
    bool zero;  ///< the sums
  };
  std::vector<Axis> own_;
  std::vector<WindowAxis> axes_;
  std::int64_t offset_ = 0, numel_ = 1, all_ = 1;
  double scale_ = 1;
  bool keeps_ = false;
};

}  // namespace weft
