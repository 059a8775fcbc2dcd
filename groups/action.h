#pragma once
// What operations do to an axis: the rows of the rule table (spec 1.5, 8.4). What each kind of factor says to them
// stands in its own file in groups/kinds.

#include <cstdint>

namespace weft {

/// X(action, the operations in words)
#define WEFT_ACTIONS(X)                                                           \
  X(reduce, "sum, mean over the axis")                                            \
  X(broadcast, "repeat along the axis")                                           \
  X(mix, "exp, log, softmax; layer norm over the axis")                           \
  X(multiply, "product of two features: degrees add")                             \
  X(select, "slice, gather, concat along the axis")                               \
  X(absolute, "abs: signs are forgotten")                                         \
  X(normalise, "division by the L2 norm over the channels: scales are forgotten") \
  X(normalise_along, "division by the L2 norm over the axis")                     \
  X(scale, "scale by a constant; dropout of whole channels")                      \
  X(pointwise_any, "pointwise, neither odd nor homogeneous: gelu, sigmoid")       \
  X(pointwise_odd, "pointwise, odd, f(-x) = -f(x): tanh, sin")                    \
  X(pointwise_homogeneous, "pointwise, f(s x) = s f(x) for s > 0: relu")          \
  X(channel_mix, "linear map of the channels")                                    \
  X(add_constant, "add a constant, a bias")

enum class Action : std::uint8_t {
#define WEFT_ACTION(action, words) action,
  WEFT_ACTIONS(WEFT_ACTION)
#undef WEFT_ACTION
};

inline constexpr struct {
  Action action;
  const char* words;
} all_actions[] = {
#define WEFT_ACTION(action, words) {Action::action, words},
    WEFT_ACTIONS(WEFT_ACTION)
#undef WEFT_ACTION
};
inline constexpr std::size_t action_count = sizeof(all_actions) / sizeof(all_actions[0]);

}  // namespace weft
