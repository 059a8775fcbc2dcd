#pragma once

#include <cstddef>

namespace weft {

class Backend;

/// Where an arena's chunks and owned tensors come from: the host, or one device.
class MemorySource {
 public:
  virtual ~MemorySource() = default;
  /// Uninitialised, aligned to alignment(). Throws std::bad_alloc or, on a device, OutOfDeviceMemory.
  virtual void* allocate(std::size_t bytes) = 0;
  virtual void release(void* p, std::size_t bytes) noexcept = 0;

  virtual std::size_t alignment() const = 0;
  /// Bytes that an arena asks for at least.
  virtual std::size_t smallest_chunk() const = 0;
  /// Whose kernels read it; null for the host's.
  virtual Backend* backend() const = 0;
};

MemorySource& host_memory();

}  // namespace weft
