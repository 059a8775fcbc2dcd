#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace weft {

/// Bump allocator for the intermediates of one step. reset() keeps the memory: with static shapes the second step
/// allocates nothing and sees the same addresses again. Not thread-safe: one arena per step in flight.
class Arena {
 public:
  static constexpr std::size_t alignment = 64;

  Arena() = default;
  Arena(Arena&&) = default;
  Arena& operator=(Arena&&) = default;

  /// 64-byte aligned, uninitialised. Valid until reset().
  void* allocate(std::size_t bytes);

  /// Gives everything back at once; pointers handed out before must not be used any more.
  void reset();

  /// Bytes handed out since reset(), each request rounded up to the alignment.
  std::size_t used() const { return used_; }
  /// The largest used() so far.
  std::size_t peak() const { return peak_; }
  /// Bytes held from the system.
  std::size_t reserved() const;

  /// Gives back what was allocated since the mark: for scratch inside one operation.
  struct Mark {
    std::size_t chunk, offset, used;
  };
  Mark mark() const { return {current_, offset_, used_}; }
  void rewind(Mark mark);

  template <class T>
  T* allocate_array(std::size_t n) {
    return static_cast<T*>(allocate(n * sizeof(T)));
  }

 private:
  struct Free {
    void operator()(std::byte* p) const;
  };
  struct Chunk {
    std::unique_ptr<std::byte, Free> data;
    std::size_t size;
  };
  std::vector<Chunk> chunks_;
  std::size_t current_ = 0, offset_ = 0, used_ = 0, peak_ = 0;
};

}  // namespace weft
