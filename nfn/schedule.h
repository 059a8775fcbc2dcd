#pragma once
// What the hand-written schedules of layers share: memory from the arena, small products, gradients that every network
// adds to. A schedule's result must not depend on the number of threads: blocks follow from the shape alone.

#include <algorithm>
#include <cstdint>
#include <span>

#include "weft/autograd/tape.h"
#include "weft/core/gemm.h"
#include "weft/core/parallel.h"

namespace weft::schedule {

/// Memory from the arena for n objects, uninitialised.
template <class T>
T* numbers(Arena& arena, std::int64_t n) {
  return arena.allocate_array<T>(static_cast<std::size_t>(n));
}

/// Numbers are handed out and padded by whole cache lines of float32.
inline std::int64_t padded(std::int64_t n) { return (n + 15) / 16 * 16; }

/// A piece of scratch memory, handed out in order.
template <class T>
struct Carve {
  T* at;
  T* take(std::int64_t n) {
    T* p = at;
    at += padded(n);
    return p;
  }
};

/// n objects made alike, in the arena.
template <class Made, class... Args>
std::span<Made> one_each(Arena& arena, int n, const Args&... args) {
  auto* all = numbers<Made>(arena, n);
  for (int i = 0; i < n; ++i) new (all + i) Made(arena, args...);
  return {all, static_cast<std::size_t>(n)};
}

/// c = beta c + a b for every item of the batch, by the calling thread: plain loops when it is too small for tiles.
template <class T>
void product(GemmShape shape, GemmOperand<T> a, GemmOperand<T> b, T beta, T* c, std::int64_t c_batch_stride,
             std::int64_t c_row_stride);

/// Blocks of rows e of the stages that split parameters: by the shape alone.
inline std::int64_t row_grain(std::int64_t e) { return e <= 24 ? (e + 1) / 2 : 16; }
/// Items of `work` numbers each that are worth a thread's start.
inline std::int64_t copy_grain(std::int64_t work) {
  return std::max<std::int64_t>(1, 16384 / std::max<std::int64_t>(work, 1));
}
/// Copies [rows, columns] transposed.
template <class T>
inline void transposed(const T* from, std::int64_t rows, std::int64_t columns, T* to) {
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < columns; ++j) to[j * rows + i] = from[i * columns + j];
}

/// gradient = beta gradient + contribution.
template <class T>
struct Grad {
  T* data = nullptr;
  T beta = 0;
};

/// y = beta y + x.
template <class T>
inline void add_to(const Grad<T>& to, const T* x, std::int64_t n) {
  if (to.beta == T(0))
    std::copy_n(x, n, to.data);
  else
    for (std::int64_t i = 0; i < n; ++i) to.data[i] += x[i];
}

/// The gradient of one input of a node, null where it is not wanted.
template <class T>
Grad<T> gradient_address(Backward& back, int input);

/// The same with memory that is thrown away where it is not wanted.
template <class T>
Grad<T> gradient_of(Backward& back, int input);

/// The cotangent of an output, zeros when nothing depends on it.
template <class T>
const T* cotangent_of(Backward& back, int output);

/// Gradients that every network adds to: summed over fixed blocks of networks, then block after block.
template <class T>
class PartialSums {
 public:
  /// At most 16 blocks, whatever the batch, and few when a block is large (`numbers_expected`).
  PartialSums(Arena& arena, std::int64_t batch, int most_items, std::int64_t numbers_expected = 1)
      : arena_(arena),
        grain_([&] {
          const std::int64_t most = std::clamp<std::int64_t>((1 << 22) / numbers_expected, 1, 16);
          return std::max<std::int64_t>(1, (batch + most - 1) / most);
        }()),
        blocks_((batch + grain_ - 1) / grain_),
        items_(numbers<Item>(arena, most_items)) {}

  /// Networks of one block.
  std::int64_t grain() const { return grain_; }

  /// Declares a gradient of `size` numbers; returns its offset in a block.
  std::int64_t add(const Grad<T>& to, std::int64_t size) {
    items_[count_++] = {to, size_, size};
    const std::int64_t offset = size_;
    size_ += (size + 15) / 16 * 16;
    return offset;
  }
  void allocate() { memory_ = numbers<T>(arena_, blocks_ * size_); }

  /// The sums of the block that begins with network `net`, zeroed.
  T* open(std::int64_t net) const {
    T* block = memory_ + net / grain_ * size_;
    std::fill_n(block, size_, T(0));
    return block;
  }
  /// Adds the blocks into the gradients.
  void close() const {
    for (int k = 0; k < count_; ++k) {
      const Item& item = items_[k];
      parallel_blocks(item.size, 4096, [&](std::int64_t begin, std::int64_t end) {
        T* to = item.to.data;
        if (item.to.beta == T(0)) std::fill(to + begin, to + end, T(0));
        for (std::int64_t block = 0; block < blocks_; ++block) {
          const T* from = memory_ + block * size_ + item.offset;
          for (std::int64_t i = begin; i < end; ++i) to[i] += from[i];
        }
      });
    }
  }

 private:
  struct Item {
    Grad<T> to;
    std::int64_t offset, size;
  };
  Arena& arena_;
  std::int64_t grain_, blocks_, size_ = 0;
  Item* items_;
  int count_ = 0;
  T* memory_ = nullptr;
};

}  // namespace weft::schedule
