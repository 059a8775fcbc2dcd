#pragma once
// What a parameter keeps of backward passes until an optimiser's step uses it up.

#include <cstdint>
#include <memory>
#include <utility>

#include "weft/autograd/outer_sum.h"

namespace weft {

class Tape;

/// What a backward pass does with gradients that its parameters have already.
enum class Gradients : std::uint8_t {
  replace,
  add,  ///< to those that the passes since the last optimiser's step left; where there is none, as replace
};

/// The backward passes that the gradients of one model come from: its parameters share one of these.
struct GradientPasses {
  std::uint64_t current = 0;    ///< names the pass, or those that were added up; 0: none since the last step
  std::uint64_t recording = 0;  ///< Backend::recording_number() when it began
};

/// The gradient of one parameter.
struct ParameterGradient {
  /// Kept in `memory`, which has the parameter's shape.
  explicit ParameterGradient(Tensor memory, std::shared_ptr<GradientPasses> of = std::make_shared<GradientPasses>())
      : passes(std::move(of)), whole(std::move(memory)) {}
  /// Kept as outer products. Sums over several passes are formed into memory that the first of them takes.
  explicit ParameterGradient(std::shared_ptr<GradientPasses> of) : passes(std::move(of)), factored(true) {}

  /// Of the latest passes, and not yet used up.
  bool fresh() const { return passes->current != 0 && pass == passes->current && available(); }
  /// Its numbers are known: as factors they are until the reset() of the tape that made them.
  bool available() const { return !factored || formed || factors.ready; }

  std::shared_ptr<GradientPasses> passes;
  std::uint64_t pass = 0;  ///< the one that wrote it
  Tensor whole;
  bool factored = false;
  bool formed = false;           ///< of a factored one: `whole` has it, and no factors are needed
  OuterGradient factors;         ///< in the memory of `holder`'s step
  const Tape* holder = nullptr;  ///< the tape that made the factors
};

}  // namespace weft
