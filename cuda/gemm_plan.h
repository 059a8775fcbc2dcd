#pragma once
// How the products of core/gemm.h look to a BLAS, which is column-major and knows one leading dimension an operand.

#include <cstdint>

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

}  // namespace weft::cuda
