#pragma once
// How the products of core/gemm.h look to a BLAS, which is column-major and knows one leading dimension an operand.

#include <cstdint>

#include "weft/ops/product.h"

namespace weft::cuda {

/// A row-major [rows, columns] operand as BLAS reads it. Its memory, read by columns, is the transpose: that is what a
/// row-major product C = A B needs as C' = B' A'.
struct BlasOperand {
  bool transposed = false;   ///< BLAS has to transpose what it reads
  std::int64_t leading = 1;  ///< the leading dimension
  std::int64_t batch_stride = 0;
  bool packed = false;  ///< no leading dimension says it: copy it to [batch, rows, columns] first
  bool operator==(const BlasOperand&) const = default;
};

BlasOperand plan_operand(std::int64_t rows, std::int64_t columns, std::int64_t batch_stride, std::int64_t row_stride,
                         std::int64_t column_stride);

/// What cuBLASLt can do to a product as it writes it.
enum class FusedEnd : std::uint8_t { none, bias, relu, relu_bias };

/// The one that is all of `epilogue`; none where there is no such one: for other activations, a bias for each row (the
/// library's runs along the rows of what it writes, the transpose), one whose vectors are not aligned to 16 bytes,
/// which its kernels may read at once.
FusedEnd plan_end(const ProductEpilogue<float>& epilogue);

}  // namespace weft::cuda
