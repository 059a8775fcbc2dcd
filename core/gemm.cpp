#include "weft/core/gemm.h"

#include <algorithm>
#include <type_traits>

#ifndef WEFT_NO_CBLAS
#include <cblas.h>
#endif

#include "weft/core/array_tree.h"
#include "weft/core/error.h"
#include "weft/core/gemm_kernels.h"
#include "weft/core/isa.h"
#include "weft/core/parallel.h"

namespace weft {

WEFT_ISA_TABLE(GemmKernels, gemm_kernels)

namespace {

/// How one product is cut: into tasks of some rows and columns of one item each, by the shape alone.
struct Cut {
  std::int64_t rows, columns;
  std::int64_t row_blocks, column_blocks;
  bool parallel;

  explicit Cut(const GemmShape& s) {
    const double flops = 2. * static_cast<double>(s.batch) * static_cast<double>(s.m) * static_cast<double>(s.n) *
                         static_cast<double>(s.k);
    // Below this a team takes longer to gather than one thread to finish.
    parallel = flops > 6e5;
    // As many tasks as a large machine has threads, but none below a few microseconds. Columns first: rows of a task
    // share the packed panel of B.
    const auto wanted = static_cast<std::int64_t>(std::clamp(flops / 5e5, 1., 256.));
    const std::int64_t per_item = (wanted + s.batch - 1) / s.batch;
    column_blocks = std::clamp<std::int64_t>(s.n / 128, 1, per_item);
    columns = ((s.n + column_blocks - 1) / column_blocks + 31) / 32 * 32;
    column_blocks = (s.n + columns - 1) / columns;
    row_blocks = std::clamp<std::int64_t>(s.m / 48, 1, (per_item + column_blocks - 1) / column_blocks);
    rows = (s.m + row_blocks - 1) / row_blocks;
    row_blocks = (s.m + rows - 1) / rows;
  }
};

#ifndef WEFT_NO_CBLAS
/// Where the CBLAS is the faster one: large blocks, factors that lie row by row or column by column, and no vector
/// kernel of ours. The AVX-512 kernel measured ahead of OpenBLAS at every size, the AVX2 one even with it block by
/// block.
template <class T>
bool suits_blas(const GemmBlock<T>& g) {
  constexpr std::int64_t least = 48;
  return isa() == Isa::portable && g.m >= least && g.n >= least && g.k >= least &&
         (g.a_row_stride == 1 || g.a_column_stride == 1) && (g.b_row_stride == 1 || g.b_column_stride == 1);
}

template <class T>
void blas_block(GemmBlock<T> g) {
  auto order = [](std::int64_t column_stride) { return column_stride == 1 ? CblasNoTrans : CblasTrans; };
  auto leading = [](std::int64_t row_stride, std::int64_t column_stride) {
    return static_cast<blasint>(column_stride == 1 ? row_stride : column_stride);
  };
  auto product = [&](auto function) {
    function(CblasRowMajor, order(g.a_column_stride), order(g.b_column_stride), static_cast<blasint>(g.m),
             static_cast<blasint>(g.n), static_cast<blasint>(g.k), T(1), g.a,
             leading(g.a_row_stride, g.a_column_stride), g.b, leading(g.b_row_stride, g.b_column_stride),
             g.accumulate ? T(1) : T(0), g.c, static_cast<blasint>(g.c_row_stride));
  };
  for (; g.items > 0; g.next_item()) {
    if constexpr (std::is_same_v<T, float>)
      product(cblas_sgemm);
    else
      product(cblas_dgemm);
    for (std::int64_t i = 0; i < g.m; ++i) {
      T* row = g.c + i * g.c_row_stride;
      if (g.bias_of_rows)
        for (std::int64_t j = 0; j < g.n; ++j) row[j] += g.bias_of_rows[i];
      if (g.bias_of_columns)
        for (std::int64_t j = 0; j < g.n; ++j) row[j] += g.bias_of_columns[j];
      if (g.activation) g.activation(row, g.n);
    }
  }
}

#endif

/// Beyond so many terms the kernels' sums, panel after panel, would err too much.
struct LongSums {
  static constexpr std::int64_t terms = 4096, rows = 48, columns = 64;
  static constexpr int levels = 24;  // more terms than any memory holds
};

template <class T>
void check(const GemmShape& s, T beta) {
  if (s.batch < 0 || s.m < 0 || s.n < 0 || s.k < 0)
    throw ShapeError("[gemm] batch {}, m {}, n {}, k {}; all must be 0 or more", s.batch, s.m, s.n, s.k);
  if (beta != T(0) && beta != T(1)) throw UsageError("[gemm] beta {}; allowed: 0 or 1", beta);
}

/// Rows [m0, m0 + m) and columns [n0, n0 + n) of some items, by the calling thread.
template <class T>
struct Product {
  const GemmShape& s;
  const GemmOperand<T>&a, &b;
  T beta;
  T* c;
  std::int64_t c_batch_stride, c_row_stride;
  const GemmEpilogue<T>& epilogue;
  const GemmKernels& kernels = WEFT_FOR_ISA(gemm_kernels);

  void block(std::int64_t item, std::int64_t items, std::int64_t m0, std::int64_t m, std::int64_t n0,
             std::int64_t n) const {
    const T* bias = epilogue.bias ? epilogue.bias + item * epilogue.bias_batch_stride : nullptr;
    const GemmBlock<T> g{items,
                         m,
                         n,
                         s.k,
                         a.batch_stride,
                         b.batch_stride,
                         c_batch_stride,
                         epilogue.bias_batch_stride,
                         a.data + item * a.batch_stride + m0 * a.row_stride,
                         a.row_stride,
                         a.column_stride,
                         b.data + item * b.batch_stride + n0 * b.column_stride,
                         b.row_stride,
                         b.column_stride,
                         c + item * c_batch_stride + m0 * c_row_stride + n0,
                         c_row_stride,
                         beta == T(1),
                         bias && !epilogue.bias_per_row ? bias + n0 : nullptr,
                         bias && epilogue.bias_per_row ? bias + m0 : nullptr,
                         epilogue.activation};
    if (s.k > LongSums::terms)
      for (GemmBlock<T> one = g; one.items > 0; one.next_item()) long_block(one);
    else
      run(g);
  }

  void run(const GemmBlock<T>& g) const {
#ifndef WEFT_NO_CBLAS
    if (suits_blas(g)) return blas_block(g);
#endif
    if constexpr (std::is_same_v<T, float>)
      kernels.block_float(g);
    else
      kernels.block_double(g);
  }

  /// A long summed index in stretches that add pairwise, tile by tile of C.
  void long_block(const GemmBlock<T>& whole) const {
    alignas(64) T memory[LongSums::levels * LongSums::rows * LongSums::columns];
    for (std::int64_t m0 = 0; m0 < whole.m; m0 += LongSums::rows)
      for (std::int64_t n0 = 0; n0 < whole.n; n0 += LongSums::columns) {
        GemmBlock<T> g = whole;
        g.items = 1;
        g.m = std::min(LongSums::rows, whole.m - m0);
        g.n = std::min(LongSums::columns, whole.n - n0);
        const T *a0 = whole.a + m0 * whole.a_row_stride, *b0 = whole.b + n0 * whole.b_column_stride;
        g.c_row_stride = g.n;
        g.accumulate = false;
        g.bias_of_columns = g.bias_of_rows = nullptr;
        g.activation = nullptr;
        ArrayTree<T>{memory, g.m * g.n, g.m * g.n}.sum((whole.k + LongSums::terms - 1) / LongSums::terms,
                                                       [&](std::int64_t stretch, T* to) {
                                                         const std::int64_t k0 = stretch * LongSums::terms;
                                                         g.k = std::min(LongSums::terms, whole.k - k0);
                                                         g.a = a0 + k0 * whole.a_column_stride;
                                                         g.b = b0 + k0 * whole.b_row_stride;
                                                         g.c = to;
                                                         run(g);
                                                       });
        for (std::int64_t i = 0; i < g.m; ++i) {
          T* row = whole.c + (m0 + i) * whole.c_row_stride + n0;
          for (std::int64_t j = 0; j < g.n; ++j) {
            T sum = memory[i * g.n + j];
            if (whole.bias_of_columns) sum += whole.bias_of_columns[n0 + j];
            if (whole.bias_of_rows) sum += whole.bias_of_rows[m0 + i];
            row[j] = whole.accumulate ? row[j] + sum : sum;
          }
          if (whole.activation) whole.activation(row, g.n);
        }
      }
  }
};

}  // namespace

template <class T>
void gemm(GemmShape s, GemmOperand<T> a, GemmOperand<T> b, T beta, T* c, std::int64_t c_batch_stride,
          std::int64_t c_row_stride, const GemmEpilogue<T>& epilogue) {
  check(s, beta);
  if (s.batch == 0 || s.m == 0 || s.n == 0) return;
  const Product<T> product{s, a, b, beta, c, c_batch_stride, c_row_stride, epilogue};
  const Cut cut(s);
  const std::int64_t per_item = cut.row_blocks * cut.column_blocks;
  auto run = [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t m0 = task % per_item / cut.column_blocks * cut.rows,
                         n0 = task % cut.column_blocks * cut.columns;
      product.block(task / per_item, 1, m0, std::min(cut.rows, s.m - m0), n0, std::min(cut.columns, s.n - n0));
    }
  };
  const std::int64_t tasks = s.batch * per_item;
  if (cut.parallel)
    parallel_blocks(tasks, 1, run);
  else
    run(0, tasks);
}

template <class T>
void gemm_serial(GemmShape s, GemmOperand<T> a, GemmOperand<T> b, T beta, T* c, std::int64_t c_batch_stride,
                 std::int64_t c_row_stride, const GemmEpilogue<T>& epilogue) {
  check(s, beta);
  if (s.batch == 0 || s.m == 0 || s.n == 0) return;
  const Product<T> product{s, a, b, beta, c, c_batch_stride, c_row_stride, epilogue};
  product.block(0, s.batch, 0, s.m, 0, s.n);
}

#define WEFT_INSTANTIATE(T)                                                                               \
  template void gemm(GemmShape, GemmOperand<T>, GemmOperand<T>, T, T*, std::int64_t, std::int64_t,        \
                     const GemmEpilogue<T>&);                                                             \
  template void gemm_serial(GemmShape, GemmOperand<T>, GemmOperand<T>, T, T*, std::int64_t, std::int64_t, \
                            const GemmEpilogue<T>&);
WEFT_INSTANTIATE(float)
WEFT_INSTANTIATE(double)
#undef WEFT_INSTANTIATE

}  // namespace weft
