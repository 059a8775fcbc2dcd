#pragma once
// Gradients in factored form. The gradient of a matrix of a linear map is a sum of as many outer products as the batch
// has items; while the batch is small, the factors are far smaller than the gradient, and whoever uses it up (an
// optimiser) can form it piece by piece in cache instead of reading it from memory.

#include <cstdint>

#include "weft/core/tensor.h"

namespace weft {

/// n1 x n2 matrices one after another, each [rows, columns]:
///     G[i, j, r, c] = Σ_{b < rank} left_b[i left.first + j left.second + r]
///                                  right_b[i right.first + j right.second + c]
/// where side_b begins at side.data + b side.stride.
struct OuterSum {
  struct Side {
    const void* data = nullptr;
    std::int64_t stride = 0, first = 0, second = 0;
  };
  DType dtype = DType::f32;
  std::int64_t n1 = 1, n2 = 1, rows = 0, columns = 0, rank = 0;
  Side left, right;
  const OuterSum* next = nullptr;  ///< added to it; of as many numbers

  std::int64_t numel() const { return n1 * n2 * rows * columns; }
};

/// The gradient of one parameter after a backward pass: the sum of a list, empty when nothing depends on it. Its memory
/// is the tape's, until reset().
struct OuterGradient {
  const OuterSum* sums = nullptr;
  bool ready = false;  ///< between backward() and reset()
};

/// Numbers that one call of form() should make: whole rows where they are short, within the second-level cache.
inline constexpr std::int64_t outer_block = 8192;
std::int64_t outer_grain(const OuterSum& sum);

/// to = beta to + numbers [begin, end) of the first sum of a list, by the calling thread. T: its dtype.
template <class T>
void form(const OuterSum& sum, std::int64_t begin, std::int64_t end, T beta, T* to);

/// to = numbers [begin, end) of the whole list, by the calling thread; zeros for an empty one.
template <class T>
void form(const OuterGradient& gradient, std::int64_t begin, std::int64_t end, T* to);

/// gradient = the whole list, by all threads, or on the device where `to` and the factors lie.
void form_all(const OuterGradient& gradient, const Tensor& to);
/// to = beta to + the first sum, likewise; beta is 0 or 1.
void form_all(const OuterSum& sum, double beta, const Tensor& to);

}  // namespace weft
