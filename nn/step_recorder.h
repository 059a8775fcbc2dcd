#pragma once

#include <functional>
#include <memory>
#include <string>

#include "weft/core/backend.h"

namespace weft {

/// A training step that is run again and again. On a device its first run takes the memory, the second one is recorded,
/// and from then on a step is one launch of the recording: none of the host's work is done again. So whatever differs
/// from step to step must lie in the device's memory at addresses that stay, written before run():
///     batch.copy_from(next);                    // tensors made once
///     optimiser.begin_step(learning_rate);      // its constants
///     backend.upload(number, &step, 8);         // of RandomKey::counted(), which dropout draws with
///     recorder.run([&] {
///       tape.reset();                           // first: a recording that fails leaves a half-made step behind
///       const Var loss = …;
///       result.copy_from(loss.value());         // variables of the tape mean nothing later
///       tape.backward(loss);
///       optimiser.update();
///     });
/// A step that no recording can hold (see Backend::record()) is launched as it is written, and refusal() says why.
class StepRecorder {
 public:
  /// Null is the CPU: every step runs as written. `backend` outlives this, and so does the memory of the step.
  explicit StepRecorder(Backend* backend) : backend_(backend) {}

  /// `work` is the same at every call. Throws what it throws.
  void run(const std::function<void()>& work);
  /// For another batch size, or other addresses: the next run is the first one.
  void forget();

  bool recorded() const { return recording_ != nullptr; }
  /// The message of the recording that failed; empty when none did.
  const std::string& refusal() const { return refusal_; }

 private:
  Backend* backend_;
  bool ran_ = false;
  std::unique_ptr<Recording> recording_;
  std::string refusal_;
};

}  // namespace weft
