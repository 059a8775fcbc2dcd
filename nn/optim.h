#pragma once
// Optimisers in one fused pass: every byte of values, gradients and state is read and written once. The rules (SGD,
// with momentum, Adam, AdamW, RMSprop) with formulas and defaults stand in nn/optim_rules.h.

#include <vector>

#include "weft/nn/optim_kernels.h"
#include "weft/nn/parameters.h"

namespace weft {

/// "adamw"
const char* name(UpdateRule::Kind kind);
/// Numbers of state per parameter: 0, 1 or 2.
int states(UpdateRule::Kind kind);
/// Throws UsageError for a constant out of its range.
void require_valid(const UpdateRule& rule);

/// One step of `rule` on n neighbouring numbers, by the calling thread. Who trains many networks, each with a rule and
/// a learning rate of its own, calls it from their own parallel loop.
///   step           1 for the first one
///   first, second  the states(rule.kind) states of n numbers each, zeros before step 1; null where there are fewer
/// Returns whether every gradient was finite; if not, values and states are spoiled. Checks nothing else: see
/// require_valid(). The same bits on every instruction set. T: float or double.
template <class T>
bool update_range(const UpdateRule& rule, double learning_rate, std::int64_t step, std::int64_t n, T* values,
                  const T* grads, T* first, T* second);

/// Trains the trainable parameters of a model, where they lie.
class Optimiser {
 public:
  /// `parameters`: allocated, and outliving this. Throws UsageError when they are not, and what require_valid() throws.
  Optimiser(Parameters& parameters, const UpdateRule& rule);
  Optimiser(const Optimiser&) = delete;
  Optimiser& operator=(const Optimiser&) = delete;

  /// One step along the gradients that backward() left in the parameters, which it uses up: the next step wants a
  /// backward pass of its own. One in factored form is formed piece by piece in cache and never written. Throws
  /// UsageError, having changed nothing, when there was no backward pass since the last step, when a trainable
  /// parameter was not on its tape (or on none of those whose gradients were added up), when a factored one was lost
  /// (reset() comes after the step), and for a learning rate that is negative or not finite. Throws NumericError naming
  /// the first parameter whose gradient is not finite: values and state are then spoiled, and only a checkpoint leads
  /// back. On a device check() throws that. In a step that is recorded, the checks of gradients are those of the
  /// recording.
  void step(double learning_rate);
  /// The same in two parts, for steps on a device that are recorded once and replayed: begin_step() counts the step and
  /// writes what it has of its own to the device, at any time before the launch; update() is that launch, alike for all
  /// steps.
  void begin_step(double learning_rate);
  void update();
  /// Throws step()'s NumericError when a gradient of some step on a device was not finite. Waits for the device.
  void check() const;

  const UpdateRule& rule() const { return rule_; }
  /// What a checkpoint holds beside the values: the states, [states, n] in the layout of flat_values(), and the number
  /// of steps taken.
  Tensor state() const { return state_; }
  std::int64_t steps() const { return steps_; }
  /// Goes on from a checkpoint of the same rule: with the same values, the next steps give the same bits as without the
  /// break. Throws ShapeError, DtypeError for a state that does not fit, UsageError for negative steps.
  void resume(const Tensor& state, std::int64_t steps);

 private:
  void require_gradients() const;
  void update_here();
  void update_on(Backend& backend);
  void refuse_spoiled() const;

  Parameters& parameters_;
  UpdateRule rule_;
  double learning_rate_ = 0;                  ///< of the step that began
  Tensor device_constants_, device_spoiled_;  ///< undefined on the CPU
  /// Numbers [begin, end) of one parameter whose values stand at `at`, or of all without factored gradients.
  struct Stretch {
    const ParameterGradient* factored;
    std::int64_t at, begin, end;
  };
  std::vector<Stretch> stretches_;  ///< of the step; its memory is kept
  Tensor state_;
  std::int64_t steps_ = 0;
};

}  // namespace weft
