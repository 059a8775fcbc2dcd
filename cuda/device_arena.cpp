#include "weft/cuda/device_arena.h"

#include <algorithm>

#include "weft/core/device.h"

namespace weft::cuda {

DeviceArena::~DeviceArena() {
  for (const Chunk& chunk : chunks_) source_.release(chunk.data, chunk.size);
}

void DeviceArena::add_chunk(std::size_t bytes) {
  // Chunks double, so that a step of any size settles after a few of them; near the end of the memory they do not.
  const std::size_t roomy = std::max({bytes, smallest_chunk, chunks_.empty() ? 0 : 2 * chunks_.back().size});
  chunks_.reserve(chunks_.size() + 1);
  if (roomy > bytes) {
    try {
      chunks_.push_back({source_.allocate(roomy), roomy});
      return;
    } catch (const OutOfDeviceMemory&) {}
  }
  chunks_.push_back({source_.allocate(bytes), bytes});
}

void* DeviceArena::allocate(std::size_t bytes) {
  bytes = (bytes + alignment - 1) / alignment * alignment;
  std::size_t chunk = current_, offset = offset_;
  while (chunk < chunks_.size() && offset + bytes > chunks_[chunk].size) {
    ++chunk;
    offset = 0;
  }
  if (chunk == chunks_.size()) {
    add_chunk(bytes);
    offset = 0;
  }
  current_ = chunk;
  offset_ = offset + bytes;
  used_ += bytes;
  peak_ = std::max(peak_, used_);
  return static_cast<std::byte*>(chunks_[chunk].data) + offset;
}

void DeviceArena::rewind(Mark mark) {
  current_ = mark.chunk;
  offset_ = mark.offset;
  used_ = mark.used;
}

std::size_t DeviceArena::reserved() const {
  std::size_t sum = 0;
  for (const Chunk& chunk : chunks_) sum += chunk.size;
  return sum;
}

}  // namespace weft::cuda
