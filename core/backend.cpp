#include "weft/core/backend.h"

namespace weft {

void Backend::lacks(const char* who) const {
  throw DeviceError("[{}] {} has no kernel for it in this build; allowed: the CPU", who, device().str());
}

void Backend::refuse_in_recording(const char* what) const {
  if (recording_)
    throw DeviceError("[record] {} in work that is recorded; allowed: launches, on memory that was there before", what);
}

std::unique_ptr<Recording> Backend::record(const std::function<void()>& work) {
  refuse_in_recording("another recording");
  make_current();
  begin_recording();
  recording_ = true;
  ++recordings_;
  try {
    work();
  } catch (...) {
    recording_ = false;
    try {
      end_recording();
    } catch (const DeviceError&) {}  // of launches that nobody wants; what `work` said tells more
    throw;
  }
  recording_ = false;
  return end_recording();
}

}  // namespace weft
