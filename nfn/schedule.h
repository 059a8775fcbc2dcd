#pragma once
// What the hand-written schedules of layers share: memory from the arena, small products, gradients that every network
// adds to. A schedule's result must not depend on the number of threads: blocks follow from the shape alone.

#include <algorithm>
#include <cstdint>
#include <span>

#include "weft/autograd/tape.h"
#include "weft/core/array_tree.h"
#include "weft/core/gemm.h"
#include "weft/core/parallel.h"
#include "weft/core/team.h"

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

/// Gradients that every network adds to: leaves of a few networks in a tree, and these in trees by block of networks,
/// which threads take.
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
        batch_(batch),
        blocks_((batch + grain_ - 1) / grain_),
        levels_(ArrayTree<T>::levels(leaves(grain_))),
        items_(numbers<Item>(arena, most_items)) {}

  /// Declares a gradient of `size` numbers; returns its offset in a leaf.
  std::int64_t add(const Grad<T>& to, std::int64_t size) {
    items_[count_++] = {to, size_, size};
    const std::int64_t offset = size_;
    size_ += (size + 15) / 16 * 16;
    return offset;
  }
  void allocate() { memory_ = numbers<T>(arena_, blocks_ * levels_ * size_); }

  /// f(first network, end, worker, zeroed leaf) for the networks of every leaf; then the sums go into the gradients.
  template <class F>
  void run(const F& f) const {
    parallel_workers(batch_, grain_, [&](std::int64_t begin, std::int64_t end, int worker) {
      const ArrayTree<T> tree{memory_ + begin / grain_ * levels_ * size_, size_, size_};
      tree.sum(leaves(end - begin), [&](std::int64_t leaf, T* own) {
        const std::int64_t first = begin + leaf * serial_terms;
        f(first, std::min(first + serial_terms, end), worker, own);
      });
    });
    for (int k = 0; k < count_; ++k) add_blocks(items_[k]);
  }

 private:
  struct Item {
    Grad<T> to;
    std::int64_t offset, size;
  };

  static std::int64_t leaves(std::int64_t networks) { return (networks + serial_terms - 1) / serial_terms; }

  void add_blocks(const Item& item) const {
    constexpr int lanes = SerialTeam::lanes;
    parallel_blocks(item.size, 4096, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; i += lanes) {
        const std::int64_t count = std::min<std::int64_t>(lanes, end - i);
        const auto sum = tree_sum<SideBySide<T, lanes>>(blocks_, [&](std::int64_t block) {
          SideBySide<T, lanes> at{};
          std::copy_n(memory_ + block * levels_ * size_ + item.offset + i, count, at.x);
          return at;
        });
        add_to<T>({item.to.data + i, item.to.beta}, sum.x, count);
      }
    });
  }

  Arena& arena_;
  std::int64_t grain_, batch_, blocks_, size_ = 0;
  int levels_;
  Item* items_;
  int count_ = 0;
  T* memory_ = nullptr;
};

}  // namespace weft::schedule
