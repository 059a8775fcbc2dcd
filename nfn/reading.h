#pragma once
// What a layer does to its inputs as it reads them: activation and channel dropout, network by network in cache. So a
// chain of layers keeps one tensor per layer, what the layer before wrote, and never its activated copy.

#include <optional>
#include <string_view>

#include "weft/core/random.h"
#include "weft/groups/space.h"
#include "weft/ops/pointwise.h"

namespace weft {

struct LayerInput {
  std::optional<UnaryOp> activation = {};  ///< with its default parameter, where the group allows it; not abs
  double dropout = 0;                      ///< of whole channels of weights (tensors of two axes), never of biases
  RandomKey key{0, "dropout"};             ///< tensor T's draws are those of channel_dropout(T, dropout, key.at("T"))
};

/// Throws TypeError for an activation that the group of `in` does not allow, UsageError for abs, which changes the
/// type, and for a rate outside [0, 1).
void check_input(const char* who, const LayerInput& input, const Space& in);

/// The features as `input` has them read, each by operations of its own: for layers that run on their lists. Checks
/// nothing: see check_input().
std::span<const Var> read_features(const LayerInput& input, const Space& in, std::span<const Var> features);

}  // namespace weft
