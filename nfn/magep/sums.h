#pragma once
// Gradients that every network adds to: summed over fixed blocks of networks, then block after block, so that the order
// of the sum does not depend on the number of threads.

#include <algorithm>

#include "weft/core/parallel.h"
#include "weft/nfn/magep/tables.h"

namespace weft::magep {

template <class T>
class PartialSums {
 public:
  /// At most 16 blocks, whatever the batch.
  PartialSums(Arena& arena, std::int64_t batch, int most_items)
      : arena_(arena),
        grain_(std::max<std::int64_t>(1, (batch + 15) / 16)),
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

/// The wanted ones among Ψ's gradients, in the sums.
template <class T>
class PsiSums {
 public:
  PsiSums(PartialSums<T>& sums, const Psi<Grad<T>>& gradients, const Sizes& z, Arena& arena) : L_(z.L()) {
    for (int kind = 0; kind < Psi<T>::kinds; ++kind) {
      offset_[kind] = numbers<std::int64_t>(arena, L_ + 1);
      for (int i = 0; i <= L_; ++i) {
        const Grad<T>* to = gradients.at[kind][i];
        offset_[kind][i] = to ? sums.add(*to, psi_size(z, kind)) : -1;
      }
    }
  }
  static Psi<T> table(Arena& arena, int L) {
    Psi<T> psi;
    for (T**& at : psi.at) at = numbers<T*>(arena, L + 1);
    return psi;
  }
  /// Lets `psi` point into one block of sums.
  void point(const Psi<T>& psi, T* block) const {
    for (int kind = 0; kind < Psi<T>::kinds; ++kind)
      for (int i = 0; i <= L_; ++i) psi.at[kind][i] = offset_[kind][i] < 0 ? nullptr : block + offset_[kind][i];
  }

 private:
  int L_;
  std::int64_t* offset_[Psi<T>::kinds];
};

}  // namespace weft::magep
