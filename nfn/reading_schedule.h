#pragma once
// How schedules read their inputs (nfn/reading.h), network by network while they are in cache.

#include "weft/nfn/reading.h"
#include "weft/nfn/reading_bodies.h"
#include "weft/nfn/schedule.h"

namespace weft {
namespace schedule {

/// y = mask * activation(x), mask one number per network and channel of a weight.
template <class T>
struct Reading {
  void (*activation)(T* y, std::int64_t n) = nullptr;
  const UnaryKernel* kernel = nullptr;  ///< for the derivative
  double parameter = 0;
  bool from_output = false, drops = false;

  Reading() = default;
  explicit Reading(const LayerInput& input);

  /// Otherwise y is x.
  bool changes() const { return activation || drops; }
  /// x, y: [rows, n]; mask: [rows] or null.
  void forward(const T* x, T* y, std::int64_t rows, std::int64_t n, const T* mask) const;
  /// to = beta to + mask gy activation'(x). gy is used up; scratch: n numbers.
  void vjp(const T* x, T* gy, std::int64_t rows, std::int64_t n, const T* mask, const Grad<T>& to, T* scratch) const;
};

/// The same for kernels of devices.
template <class T>
ReadRule<T> rule_of(const LayerInput& input) {
  ReadRule<T> rule;
  if (input.activation) rule.activation = *input.activation;
  rule.rate = static_cast<T>(input.dropout);
  rule.scale = static_cast<T>(1 / (1 - input.dropout));
  return rule;
}

/// The masks of `tensor`: [batch, channels], 0 or 1 / (1 - rate); null where nothing is dropped.
template <class T>
const T* draw_mask(const LayerInput& input, const SpaceTensor& tensor, std::int64_t batch, std::int64_t channels,
                   Arena& arena);

}  // namespace schedule
}  // namespace weft
