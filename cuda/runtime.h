#pragma once
// Streams, and how a failure of CUDA becomes a DeviceError. No header of CUDA is needed to include this.

#include "weft/core/device.h"

struct CUstream_st;

namespace weft::cuda {

using StreamHandle = CUstream_st*;

/// What is enqueued on a device runs there in order; streams do not wait for each other.
class Stream {
 public:
  /// Throws DeviceError when the device is missing or refuses.
  explicit Stream(Device device);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  Device device() const { return device_; }
  StreamHandle handle() const { return handle_; }
  /// Waits for all that was enqueued. Throws DeviceError when some of it failed.
  void synchronise() const;

 private:
  Device device_;
  StreamHandle handle_ = nullptr;
};

/// While it lives, the calling thread's launches go to `stream` and its device.
class UseStream {
 public:
  explicit UseStream(const Stream& stream);
  ~UseStream();
  UseStream(const UseStream&) = delete;
  UseStream& operator=(const UseStream&) = delete;

 private:
  const Stream* before_;
};

/// The calling thread's launches go to `stream` from now on. It must be in no UseStream.
void use_stream(const Stream& stream);

/// The stream of this thread. Throws UsageError when it has none.
const Stream& current_stream();

}  // namespace weft::cuda
