#pragma once
// Memory of a device, and ways into and out of it.

#include <vector>

#include "weft/core/memory.h"
#include "weft/cuda/runtime.h"

struct CUevent_st;

namespace weft::cuda {

/// Memory from the device's pool, in the order of the stream.
class DeviceMemory : public MemorySource {
 public:
  /// Both outlive this.
  DeviceMemory(Backend& backend, const Stream& stream) : backend_(backend), stream_(stream) {}

  /// Throws OutOfDeviceMemory with what was asked for, used and free.
  void* allocate(std::size_t bytes) override;
  /// While the stream is recorded, its memory cannot be freed: release_late() does it then.
  void release(void* p, std::size_t bytes) noexcept override;
  void release_late() noexcept;
  std::size_t alignment() const override { return 256; }
  std::size_t smallest_chunk() const override { return std::size_t{32} << 20; }
  Backend* backend() const override { return &backend_; }

  DeviceMemoryState state() const;

 private:
  Backend& backend_;
  const Stream& stream_;
  std::size_t used_ = 0;
  std::vector<void*> late_;
};

/// Copies between the host's pageable memory and a device through two page-locked pieces: while one is on its way, the
/// other is filled.
class Staging {
 public:
  static constexpr std::size_t piece_bytes = std::size_t{4} << 20;

  /// `stream` outlives this. Throws DeviceError when the host has no memory to lock.
  explicit Staging(const Stream& stream);
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  /// `from` may be changed once it returns; the device has the bytes when the stream comes there.
  void upload(void* to, const void* from, std::size_t bytes);
  /// Waits: `to` holds the bytes when it returns. Throws DeviceError when earlier work failed.
  void download(void* to, const void* from, std::size_t bytes);

 private:
  struct Staged {
    Staged() = default;
    Staged(const Staged&) = delete;
    Staged& operator=(const Staged&) = delete;
    ~Staged();
    std::byte* host = nullptr;
    CUevent_st* done = nullptr;  ///< the last copy from or to it
  };
  const Stream& stream_;
  Staged pieces_[2];
  int next_ = 0;  ///< piece of the next upload: of two small ones the second need not wait for the first
};

}  // namespace weft::cuda
