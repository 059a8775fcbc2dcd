#include "weft/nn/step_recorder.h"

#include "weft/core/error.h"

namespace weft {

void StepRecorder::run(const std::function<void()>& work) {
  if (backend_ && ran_ && !recording_ && refusal_.empty()) {
    try {
      recording_ = backend_->record(work);
    } catch (const DeviceError& error) {
      refusal_ = error.what();
    }
  }
  if (recording_) return recording_->replay();
  work();
  ran_ = true;
}

void StepRecorder::forget() {
  recording_.reset();
  refusal_.clear();
  ran_ = false;
}

}  // namespace weft
