#pragma once
// CUDA's kernels behind plain functions. Pointers are the device's; work is enqueued on the stream in use
// (cuda/runtime.h) and nothing waits. All throw DeviceError, naming the operation, when a kernel does not start.

#include <cstdint>

#include "weft/core/dtype.h"
#include "weft/core/random.h"
#include "weft/cuda/copy_shape.h"
#include "weft/nn/optim_rules.h"
#include "weft/ops/pointwise_kernels.h"
#include "weft/ops/rows_kernels.h"

namespace weft::cuda {

/// The entries of the CPU's tables (ops/pointwise.h, ops/rows.h), with CUDA's loops. Throw DtypeError for other dtypes
/// than float32 and float64.
const UnaryKernel& kernel(UnaryOp op, DType dtype);
const BinaryKernel& kernel(BinaryOp op, DType dtype);
const RowKernel& kernel(RowOp op, DType dtype);

/// y = f(y) with the op's default parameter.
template <class T>
auto activation(UnaryOp op) -> void (*)(T* y, std::int64_t n);

/// As update_range() in nn/optim.h, but `*spoiled` (of the device; zero before) becomes 1 when a gradient is not
/// finite.
template <class T>
void update(const UpdateRule& rule, double learning_rate, std::int64_t step, std::int64_t n, T* values, const T* grads,
            T* first, T* second, int* spoiled);

/// n numbers of one value, converted as Tensor::fill does.
void fill(void* y, DType dtype, std::int64_t n, double value);

/// n numbers, converted as Tensor::copy_from does. Equal dtypes are copied.
void convert(void* y, DType to, const void* x, DType from, std::int64_t n);

/// y and x of one dtype, each with strides of its own; `y` never overlaps `x`. Throws UsageError for a rank above
/// CopyShape::max_rank.
void copy_strided(void* y, const void* x, DType dtype, const CopyShape& shape);

/// The numbers of weft::fill_uniform, bit for bit, and of weft::fill_normal, up to the last bits of CUDA's log, sin and
/// cos. float32 and float64; others throw DtypeError.
void fill_uniform(void* y, DType dtype, std::int64_t n, Key key, double low = 0, double high = 1);
void fill_normal(void* y, DType dtype, std::int64_t n, Key key, double mean = 0, double deviation = 1);

/// The n words whose stable order is weft::permutation(n, key).
void permutation_words(std::uint64_t* y, std::int64_t n, Key key);

}  // namespace weft::cuda
