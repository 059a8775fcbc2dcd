#include "weft/cuda/gemm_plan.h"

#include <algorithm>

namespace weft::cuda {

BlasOperand plan_operand(std::int64_t rows, std::int64_t columns, std::int64_t batch_stride, std::int64_t row_stride,
                         std::int64_t column_stride) {
  // A stride along an axis of one number says nothing.
  if ((column_stride == 1 || columns == 1) && (row_stride >= columns || rows == 1))
    return {false, rows == 1 ? columns : row_stride, batch_stride, false};
  if ((row_stride == 1 || rows == 1) && (column_stride >= rows || columns == 1))
    return {true, columns == 1 ? rows : column_stride, batch_stride, false};
  // An operand that the batch shares is packed once.
  return {false, columns, batch_stride == 0 ? 0 : rows * columns, true};
}

FusedEnd plan_end(const ProductEpilogue<float>& e) {
  constexpr std::uintptr_t aligned = 16;
  const auto stride_bytes = static_cast<std::uintptr_t>(e.bias_batch_stride) * sizeof(float);
  const bool bias = e.bias != nullptr, relu = e.activation == UnaryOp::Relu;
  if (e.activation && !relu) return FusedEnd::none;
  if (bias && (e.bias_per_row || (reinterpret_cast<std::uintptr_t>(e.bias) | stride_bytes) % aligned != 0))
    return FusedEnd::none;
  if (bias) return relu ? FusedEnd::relu_bias : FusedEnd::bias;
  return relu ? FusedEnd::relu : FusedEnd::none;
}

}  // namespace weft::cuda
