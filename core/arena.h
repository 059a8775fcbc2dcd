#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>
#include <vector>

#include "weft/core/memory.h"

namespace weft {

/// Bump allocator for the intermediates of one step, in the host's memory or a device's. reset() keeps the memory: with
/// static shapes the second step allocates nothing and sees the same addresses again. What is rewound may be handed out
/// at once: a device works off one stream in order. Not thread-safe: one arena per step in flight.
class Arena {
 public:
  /// Of the host's memory; a device's may be coarser.
  static constexpr std::size_t alignment = 64;
  /// Of one request: far beyond any memory, and far from where sums of sizes wrap around.
  static constexpr std::size_t max_bytes = PTRDIFF_MAX;

  Arena() : Arena(host_memory()) {}
  /// `source` outlives this.
  explicit Arena(MemorySource& source) : source_(&source) {}
  ~Arena();
  Arena(Arena&& other) noexcept : Arena(*other.source_) { swap(other); }
  Arena& operator=(Arena&& other) noexcept {
    swap(other);
    return *this;
  }

  /// Whose kernels read this memory; null for the CPU's.
  Backend* backend() const { return source_->backend(); }

  /// Aligned, uninitialised. Valid until reset(). Throws std::bad_alloc or, on a device, OutOfDeviceMemory; the arena
  /// is then as it was. More than max_bytes are a std::bad_alloc.
  void* allocate(std::size_t bytes);

  /// Gives everything back at once; pointers handed out before must not be used any more. Throws UsageError while
  /// somebody has claimed the arena.
  void reset();

  /// For a tape, which alone decides then when everything is given back. Returns whether nobody had claimed it.
  bool claim() { return !std::exchange(claimed_, true); }
  void release() { claimed_ = false; }

  /// Bytes handed out since reset(), each request rounded up to the alignment.
  std::size_t used() const { return used_; }
  /// The largest used() so far.
  std::size_t peak() const { return peak_; }
  /// Bytes held from the source.
  std::size_t reserved() const;

  /// Gives back what was allocated since the mark: for scratch inside one operation.
  struct Mark {
    std::size_t chunk, offset, used;
  };
  Mark mark() const { return {current_, offset_, used_}; }
  void rewind(Mark mark);

  template <class T>
  T* allocate_array(std::size_t n) {
    if (n > max_bytes / sizeof(T)) throw std::bad_array_new_length();
    return static_cast<T*>(allocate(n * sizeof(T)));
  }

 private:
  struct Chunk {
    void* data;
    std::size_t size;
  };
  void add_chunk(std::size_t bytes);
  void swap(Arena& other) noexcept;

  MemorySource* source_;
  std::vector<Chunk> chunks_;
  std::size_t current_ = 0, offset_ = 0, used_ = 0, peak_ = 0;
  bool claimed_ = false;  ///< of this object, whatever memory is moved into it
};

}  // namespace weft
