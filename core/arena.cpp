#include "weft/core/arena.h"

#include <algorithm>
#include <new>

namespace weft {
namespace {
constexpr std::size_t smallest_chunk = std::size_t{1} << 20;
}

void Arena::Free::operator()(std::byte* p) const { ::operator delete (p, std::align_val_t{alignment}); }

void* Arena::allocate(std::size_t bytes) {
  bytes = (bytes + alignment - 1) / alignment * alignment;
  while (current_ < chunks_.size() && offset_ + bytes > chunks_[current_].size) {
    ++current_;
    offset_ = 0;
  }
  if (current_ == chunks_.size()) {
    // Chunks double, so that a step of any size settles after a few of them.
    std::size_t size = std::max({bytes, smallest_chunk, chunks_.empty() ? 0 : 2 * chunks_.back().size});
    auto* data = static_cast<std::byte*>(::operator new (size, std::align_val_t{alignment}));
    chunks_.push_back({std::unique_ptr<std::byte, Free>(data), size});
    offset_ = 0;
  }
  void* p = chunks_[current_].data.get() + offset_;
  offset_ += bytes;
  used_ += bytes;
  peak_ = std::max(peak_, used_);
  return p;
}

void Arena::reset() { current_ = offset_ = used_ = 0; }

void Arena::rewind(Mark mark) {
  current_ = mark.chunk;
  offset_ = mark.offset;
  used_ = mark.used;
}

std::size_t Arena::reserved() const {
  std::size_t sum = 0;
  for (const auto& chunk : chunks_) sum += chunk.size;
  return sum;
}

}  // namespace weft
