#include "weft/core/arena.h"

#include <algorithm>
#include <exception>
#include <new>
#include <utility>

#include "weft/core/error.h"

namespace weft {
namespace {

class HostMemory final : public MemorySource {
 public:
  void* allocate(std::size_t bytes) override { return ::operator new (bytes, std::align_val_t{Arena::alignment}); }
  void release(void* p, std::size_t) noexcept override { ::operator delete (p, std::align_val_t{Arena::alignment}); }
  std::size_t alignment() const override { return Arena::alignment; }
  std::size_t smallest_chunk() const override { return std::size_t{1} << 20; }
  Backend* backend() const override { return nullptr; }
};

}  // namespace

MemorySource& host_memory() {
  static HostMemory memory;
  return memory;
}

Arena::~Arena() {
  for (const Chunk& chunk : chunks_) source_->release(chunk.data, chunk.size);
}

void Arena::swap(Arena& other) noexcept {
  std::swap(source_, other.source_);
  std::swap(chunks_, other.chunks_);
  std::swap(current_, other.current_);
  std::swap(offset_, other.offset_);
  std::swap(used_, other.used_);
  std::swap(peak_, other.peak_);
}

void Arena::add_chunk(std::size_t bytes) {
  // Chunks double, so that a step of any size settles after a few of them; near the end of the memory they do not.
  const std::size_t roomy = std::max({bytes, source_->smallest_chunk(), chunks_.empty() ? 0 : 2 * chunks_.back().size});
  chunks_.reserve(chunks_.size() + 1);
  if (roomy > bytes) {
    try {
      chunks_.push_back({source_->allocate(roomy), roomy});
      return;
    } catch (const std::exception&) {}
  }
  chunks_.push_back({source_->allocate(bytes), bytes});
}

void* Arena::allocate(std::size_t bytes) {
  if (bytes > max_bytes) throw std::bad_alloc();
  const std::size_t unit = source_->alignment();
  bytes = (bytes + unit - 1) / unit * unit;
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

void Arena::reset() {
  if (claimed_) throw UsageError("[arena] reset() of an arena that a tape records into; call the tape's reset()");
  current_ = offset_ = used_ = 0;
}

void Arena::rewind(Mark mark) {
  current_ = mark.chunk;
  offset_ = mark.offset;
  used_ = mark.used;
}

std::size_t Arena::reserved() const {
  std::size_t sum = 0;
  for (const Chunk& chunk : chunks_) sum += chunk.size;
  return sum;
}

}  // namespace weft
