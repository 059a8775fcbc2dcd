#pragma once
// Sums of products over labelled, strided axes on raw memory: the engine below contract and the interpreter of typed
// terms.

#include <cstdint>
#include <optional>
#include <span>

#include "weft/core/tensor.h"
#include "weft/ops/product.h"

namespace weft {

/// A strided view whose axes carry labels. A label may stand twice: the diagonal. Holds no heap memory.
struct Labelled {
  static constexpr int max_axes = 16;
  void* data = nullptr;  ///< null, without axes: the constant 1, which lies on every device
  int count = 0;
  int labels[max_axes] = {};
  std::int64_t strides[max_axes] = {};

  void push_back(int label, std::int64_t stride);
  std::uint32_t mask() const;
  /// Stride of a label, 0 when it is absent.
  std::int64_t stride(int label) const;
};

/// A dense tensor whose axis i has label labels[i]; throws ShapeError when their numbers differ.
Labelled labelled(const Tensor& t, std::span<const int> labels);

inline constexpr int einsum_labels = 32;
inline constexpr int einsum_operands = 8;

/// out = beta out + scale Σ Π operands, summed over the labels that `out` lacks; beta is 0 or 1. A label of `out` that
/// no operand has is broadcast; one that stands twice in `out` writes the diagonal, the rest becomes 0 (beta = 0) or
/// stays (beta = 1): `out_elements` counts the numbers of `out`, which is dense then. `sizes[label]` is the label's
/// size. Products are taken pair by pair in the order of fewest multiplications, where the memory of `scratch` lies,
/// which is given back. T: float or double.
template <class T>
void einsum(Arena& scratch, std::span<const Labelled> operands, const Labelled& out, std::int64_t out_elements,
            std::span<const std::int64_t> sizes, double scale, double beta);

/// What direct_product() does to its result while it is in cache.
struct ProductEnd {
  Labelled bias;  ///< added, broadcast over the labels of the result that it lacks; none without data
  std::optional<UnaryOp> activation = {};
};

/// out = beta out + Σ a b as matrix products, straight from and into memory, when the layout allows it; false, having
/// done nothing, otherwise. A bias fits when it runs along the columns, which the innermost axis of `out` gives, and in
/// one stride along the batch. T: float or double.
template <class T>
bool direct_product(Arena& scratch, const Labelled& a, const Labelled& b, const Labelled& out,
                    std::span<const std::int64_t> sizes, T beta, const ProductEnd& end = {});

/// Multiplications that einsum spends on these operands.
double einsum_cost(std::span<const Labelled> operands, const Labelled& out, std::span<const std::int64_t> sizes);

}  // namespace weft
