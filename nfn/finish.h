#pragma once
// What is fused into the write of a layer's outputs: activation and channel dropout.

#include <optional>
#include <string_view>

#include "weft/core/random.h"
#include "weft/groups/space.h"
#include "weft/ops/pointwise.h"

namespace weft {

/// What is fused into the write of a layer's outputs.
struct LayerFinish {
  std::optional<UnaryOp> activation;  ///< with its default parameter, where the group allows it; not abs
  double dropout = 0;                 ///< of whole channels of the weights W1..WL, never of biases
  Key key{0, "dropout"};              ///< tensor T's draws are those of channel_dropout(T, dropout, key.at("T"))
};

/// Throws TypeError for an activation that the group of `out` does not allow, UsageError for abs, which changes the
/// type, and for a rate outside [0, 1).
void check_finish(const char* who, const LayerFinish& finish, const Space& out);

namespace schedule {

/// What happens to a finished output: y = mask * activation(z), mask one number per network and channel of a weight.
template <class T>
struct Finish {
  void (*activation)(T* y, std::int64_t n) = nullptr;
  const UnaryKernel* kernel = nullptr;  ///< for the derivative
  double parameter = 0;
  bool from_output = false;

  Finish() = default;
  explicit Finish(const LayerFinish& finish);

  /// Neither activation nor masks: y is z.
  bool untouched(const T* const* mask) const { return !activation && !mask; }
  /// pre: [rows, n] in memory of its own when the derivative needs more than y, otherwise y itself.
  void forward(T* pre, T* y, std::int64_t rows, std::int64_t n, const T* mask) const;
  /// gz = mask gy activation'; saved: what `forward` left in pre. gz may be saved or gy.
  void vjp(const T* saved, const T* gy, T* gz, std::int64_t rows, std::int64_t n, const T* mask) const;
};

/// Whether the derivative needs memory of its own beside the output.
template <class T>
bool saves_pre(const Finish<T>& finish, bool drops) {
  return finish.activation && (drops || !finish.from_output);
}

/// The masks of tensor `name`: [batch, e], 0 or 1 / (1 - rate).
template <class T>
const T* draw_mask(const LayerFinish& finish, std::string_view name, std::int64_t batch, std::int64_t e, Arena& arena);

}  // namespace schedule
}  // namespace weft
