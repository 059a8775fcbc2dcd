#pragma once

#include <cstddef>
#include <vector>

namespace weft::cuda {

/// Where an arena's chunks come from.
class MemorySource {
 public:
  virtual ~MemorySource() = default;
  /// Aligned to DeviceArena::alignment. Throws OutOfDeviceMemory.
  virtual void* allocate(std::size_t bytes) = 0;
  virtual void release(void* p, std::size_t bytes) noexcept = 0;
};

/// core/arena.h's Arena for memory of a device: reset() keeps the chunks, with static shapes the second step allocates
/// nothing and sees the same addresses. What is rewound may be handed out again at once: work on one stream runs in
/// order. Not thread-safe.
class DeviceArena {
 public:
  static constexpr std::size_t alignment = 256;
  static constexpr std::size_t smallest_chunk = std::size_t{32} << 20;

  /// `source` outlives this.
  explicit DeviceArena(MemorySource& source) : source_(source) {}
  ~DeviceArena();
  DeviceArena(const DeviceArena&) = delete;
  DeviceArena& operator=(const DeviceArena&) = delete;

  /// Uninitialised. Valid until reset(). Throws OutOfDeviceMemory; the arena is then as it was.
  void* allocate(std::size_t bytes);
  template <class T>
  T* allocate_array(std::size_t n) {
    return static_cast<T*>(allocate(n * sizeof(T)));
  }

  void reset() { current_ = offset_ = used_ = 0; }

  /// Bytes handed out since reset(), each request rounded up to the alignment.
  std::size_t used() const { return used_; }
  std::size_t peak() const { return peak_; }
  /// Bytes held from the source.
  std::size_t reserved() const;

  struct Mark {
    std::size_t chunk, offset, used;
  };
  Mark mark() const { return {current_, offset_, used_}; }
  void rewind(Mark mark);

 private:
  struct Chunk {
    void* data;
    std::size_t size;
  };
  void add_chunk(std::size_t bytes);

  MemorySource& source_;
  std::vector<Chunk> chunks_;
  std::size_t current_ = 0, offset_ = 0, used_ = 0, peak_ = 0;
};

}  // namespace weft::cuda
