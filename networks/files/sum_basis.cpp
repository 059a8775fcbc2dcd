#include "weft/networks/files/sum_basis.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace weft {

SumBasis::SumBasis(std::span<const WindowAxis> window) {
  for (const WindowAxis& axis : window) all_ *= axis.size;
  std::int64_t stride = all_;
  for (const WindowAxis& axis : window) {
    stride /= axis.size;
    if (axis.part != AxisPart::places) own_.push_back({axis.size, stride, axis.part == AxisPart::centred});
    keeps_ = keeps_ || axis.part == AxisPart::beside_sum || axis.part == AxisPart::sum;
    if (axis.part == AxisPart::sum) {
      // The first coordinate is the sum, divided by the length of the ones, with the reflection's sign.
      scale_ *= -std::sqrt(static_cast<double>(axis.size));
      continue;
    }
    const bool whole = axis.part == AxisPart::places;
    axes_.push_back({axis.size - !whole, stride});
    offset_ += whole ? 0 : stride;
    numel_ *= axes_.back().size;
  }
}

template <class T>
void SumBasis::change(T* numbers) const {
  for (const Axis& axis : own_) {
    const double root = std::sqrt(static_cast<double>(axis.size)), by = 1 / (1 + 1 / root);
    const std::int64_t block = axis.size * axis.stride;
    for (std::int64_t first = 0; first < all_; first += block)
      for (std::int64_t k = 0; k < axis.stride; ++k) {
        // x - v (v x) 2 / (v v), v = ones / |ones| + e_0; v v = 2 + 2 / root.
        T* x = numbers + first + k;
        double sum = 0;
        for (std::int64_t i = 0; i < axis.size; ++i) sum += static_cast<double>(x[i * axis.stride]);
        const double along = (sum / root + static_cast<double>(x[0])) * by;
        for (std::int64_t i = 0; i < axis.size; ++i)
          x[i * axis.stride] = static_cast<T>(static_cast<double>(x[i * axis.stride]) - along / root);
        x[0] = static_cast<T>(static_cast<double>(x[0]) - along);
      }
  }
}

template <class T>
bool SumBasis::sums_are_zero(const T* numbers) const {
  double largest = 0;
  for (std::int64_t i = 0; i < all_; ++i) largest = std::max(largest, std::abs(static_cast<double>(numbers[i])));
  const double small = 1024 * static_cast<double>(std::numeric_limits<T>::epsilon()) * largest;
  for (const Axis& axis : own_) {
    if (!axis.zero) continue;
    for (std::int64_t first = 0; first < all_; first += axis.size * axis.stride)
      for (std::int64_t k = 0; k < axis.stride; ++k)
        if (std::abs(static_cast<double>(numbers[first + k])) > small) return false;
  }
  return true;
}

template void SumBasis::change(float*) const;
template void SumBasis::change(double*) const;
template bool SumBasis::sums_are_zero(const float*) const;
template bool SumBasis::sums_are_zero(const double*) const;

}  // namespace weft
