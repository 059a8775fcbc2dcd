#include "weft/cuda/kernels.h"

#include "weft/core/tensor.h"
#include "weft/cuda/memory.h"
#include "weft/cuda/tables.h"

namespace weft::cuda {
namespace {

std::size_t column(DType dtype, const char* who) {
  return with_float(dtype, who, [](auto t) { return sizeof(t) == 4 ? std::size_t{0} : std::size_t{1}; });
}

}  // namespace

const UnaryKernel& kernel(UnaryOp op, DType dtype) {
  return pointwise_kernels.unary[static_cast<int>(op)][column(dtype, "unary")];
}

const BinaryKernel& kernel(BinaryOp op, DType dtype) {
  return pointwise_kernels.binary[static_cast<int>(op)][column(dtype, "binary")];
}

const RowKernel& kernel(RowOp op, DType dtype) { return row_kernels.op[static_cast<int>(op)][column(dtype, "rows")]; }

template <>
auto activation<float>(UnaryOp op) -> void (*)(float*, std::int64_t) {
  return pointwise_kernels.activate_float[static_cast<int>(op)];
}

template <>
auto activation<double>(UnaryOp op) -> void (*)(double*, std::int64_t) {
  return pointwise_kernels.activate_double[static_cast<int>(op)];
}

template <>
void update(const UpdateRule& rule, double learning_rate, std::int64_t step, std::int64_t n, float* values,
            const float* grads, float* first, float* second, int* spoiled) {
  update_kernels.of_float[static_cast<int>(rule.kind)](rule, learning_rate, step, n, values, grads, first, second,
                                                       spoiled);
}

template <>
void update(const UpdateRule& rule, double learning_rate, std::int64_t step, std::int64_t n, double* values,
            const double* grads, double* first, double* second, int* spoiled) {
  update_kernels.of_double[static_cast<int>(rule.kind)](rule, learning_rate, step, n, values, grads, first, second,
                                                        spoiled);
}

void fill(void* y, DType dtype, std::int64_t n, double value) {
  move_kernels.fill[static_cast<int>(dtype)](y, n, value);
}

void convert(void* y, DType to, const void* x, DType from, std::int64_t n) {
  if (to == from)
    copy(y, x, static_cast<std::size_t>(n) * size_of(to));
  else
    move_kernels.convert[static_cast<int>(from)][static_cast<int>(to)](y, x, n);
}

void copy_strided(void* y, const void* x, DType dtype, const CopyShape& shape) {
  if (shape.rank < 0 || shape.rank > CopyShape::max_rank)
    throw UsageError("[copy] rank {}; allowed: 0 to {}", shape.rank, CopyShape::max_rank);
  move_kernels.copy_strided[static_cast<int>(dtype)](y, x, shape);
}

void fill_uniform(void* y, DType dtype, std::int64_t n, Key key, double low, double high) {
  random_kernels.uniform[column(dtype, "fill_uniform")](y, n, key.seed, key.purpose, low, high - low);
}

void fill_normal(void* y, DType dtype, std::int64_t n, Key key, double mean, double deviation) {
  random_kernels.normal[column(dtype, "fill_normal")](y, n, key.seed, key.purpose, mean, deviation);
}

void permutation_words(std::uint64_t* y, std::int64_t n, Key key) {
  random_kernels.permutation_words(y, n, key.seed, key.purpose);
}

}  // namespace weft::cuda
