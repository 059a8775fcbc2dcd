#pragma once
// Pairwise sums of whole arrays, where a number's terms come one array after another.

#include <algorithm>
#include <bit>
#include <cstdint>

#include "weft/core/pairwise.h"

namespace weft {

/// A tree_sum() of leaves that are arrays, in the memory of `levels(leaves)` of them.
template <class T>
struct ArrayTree {
  T* memory;
  std::int64_t size, step;  ///< numbers of an array; from one level's array to the next one's

  static int levels(std::int64_t leaves) {
    return static_cast<int>(std::bit_width(static_cast<std::uint64_t>(std::max<std::int64_t>(leaves, 1))));
  }

  /// form(leaf, zeros to add to) for every leaf; the sum stands in `memory`.
  template <class F>
  void sum(std::int64_t leaves, const F& form) const {
    struct Array {
      const ArrayTree* tree;
      T* numbers;
      T** top;
      Array operator+(const Array& last) const {
        for (std::int64_t i = 0; i < tree->size; ++i) numbers[i] += last.numbers[i];
        *top = last.numbers;
        return *this;
      }
    };
    if (leaves == 0) std::fill_n(memory, size, T(0));
    T* top = memory;
    tree_sum<Array>(leaves, [&](std::int64_t leaf) {
      T* own = top;
      top += step;
      std::fill_n(own, size, T(0));
      form(leaf, own);
      return Array{this, own, &top};
    });
  }
};

}  // namespace weft
