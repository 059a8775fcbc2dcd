#pragma once
// What a layer does to its inputs as it reads them: activation and channel dropout, network by network in cache. So a
// chain of layers keeps one tensor per layer, what the layer before wrote, and never its activated copy.

#include <optional>
#include <string_view>

#include "weft/core/random.h"
#include "weft/groups/space.h"
#include "weft/nfn/reading_bodies.h"
#include "weft/nfn/schedule.h"
#include "weft/ops/pointwise.h"

namespace weft {

struct LayerInput {
  std::optional<UnaryOp> activation = {};  ///< with its default parameter, where the group allows it; not abs
  double dropout = 0;                      ///< of whole channels of weights (tensors of two axes), never of biases
  Key key{0, "dropout"};                   ///< tensor T's draws are those of channel_dropout(T, dropout, key.at("T"))
};

/// Throws TypeError for an activation that the group of `in` does not allow, UsageError for abs, which changes the
/// type, and for a rate outside [0, 1).
void check_input(const char* who, const LayerInput& input, const Space& in);

/// The features as `input` has them read, each by operations of its own: for layers that run on their lists. Checks
/// nothing: see check_input().
std::span<const Var> read_features(const LayerInput& input, const Space& in, std::span<const Var> features);

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
