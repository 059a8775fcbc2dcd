// Compiled once per instruction set: one product by one thread, in panels that fit the caches.

#include "weft/core/gemm_kernels.h"

#include "weft/core/gemm_tile.h"

namespace weft::inline WEFT_ISA {

namespace {

inline constexpr std::int64_t panel_bytes = 128 * 1024;  // of B, packed, on the stack and in the second-level cache
inline constexpr std::int64_t panel_depth = 256;

/// Numbers behind the panels that transpose() may spoil.
template <class T>
inline constexpr std::int64_t panel_slack = lanes<T>* tile_vectors* lanes<T>;

inline std::int64_t smaller(std::int64_t x, std::int64_t y) { return x < y ? x : y; }

/// Rows of B, `n` columns wide, as panels of `width` columns: to[p k width + i width + j] = b[i, p width + j]. Spoils
/// up to panel_slack numbers behind them.
template <class T>
void pack(const T* b, std::int64_t row_stride, std::int64_t column_stride, std::int64_t k, std::int64_t n,
          std::int64_t width, T* to) {
  for (std::int64_t j0 = 0; j0 < n; j0 += width, to += k * width) {
    const T* from = b + j0 * column_stride;
    const std::int64_t columns = smaller(width, n - j0);
    if (column_stride == 1) {
      for (std::int64_t i = 0; i < k; ++i)
        for (std::int64_t j = 0; j < columns; ++j) to[i * width + j] = from[i * row_stride + j];
      continue;
    }
    if (row_stride == 1) {
      for (std::int64_t j = 0; j < columns; j += lanes<T>)
        for (std::int64_t i = 0; i < k; i += lanes<T>)
          transpose<true>(from + j * column_stride + i, column_stride, smaller(lanes<T>, k - i),
                          smaller(lanes<T>, columns - j), to + i * width + j, width);
      continue;
    }
    for (std::int64_t i = 0; i < k; ++i)
      for (std::int64_t j = 0; j < columns; ++j) to[i * width + j] = from[i * row_stride + j * column_stride];
  }
}

template <class T>
void activate(const GemmBlock<T>& g, T* c, std::int64_t rows, std::int64_t columns) {
  if (columns == g.c_row_stride) return g.activation(c, rows * columns);
  for (std::int64_t i = 0; i < rows; ++i) g.activation(c + i * g.c_row_stride, columns);
}

/// Packing pays when a panel of B is read for many tiles of rows; a transposed one has to be.
template <class T>
bool packs_right(const GemmBlock<T>& g) {
  return g.b_column_stride != 1 || g.m > 3 * tile_rows;
}

template <class T>
inline constexpr std::int64_t panel_width = tile_vectors* lanes<T>;

/// One panel of B and no activation: items follow each other without a start of their own.
template <class T>
void one_panel(GemmBlock<T> g) {
  alignas(64) T scratch[panel_depth * panel_width<T> + panel_slack<T>];
  const bool packs = packs_right(g);
  const std::int64_t row_tiles = (g.m + tile_rows - 1) / tile_rows, fewest = g.m / row_tiles;
  const Tile<T> low = choose_tile<T>(static_cast<int>(fewest), g.n),
                high = fewest * row_tiles == g.m ? low : choose_tile<T>(static_cast<int>(fewest) + 1, g.n);
  TileArguments<T> t;
  t.k = g.k;
  t.a_row_stride = g.a_row_stride;
  t.a_column_stride = g.a_column_stride;
  t.b_row_stride = packs ? panel_width<T> : g.b_row_stride;
  t.c_row_stride = g.c_row_stride;
  t.accumulate = g.accumulate;
  t.last_lanes = g.n % lanes<T>;
  for (bool first = true; g.items > 0; g.next_item(), first = false) {
    if (packs && (first || g.b_item_stride != 0))
      pack(g.b, g.b_row_stride, g.b_column_stride, g.k, g.n, panel_width<T>, scratch);
    t.b = packs ? scratch : g.b;
    t.bias_of_columns = g.bias_of_columns;
    for (std::int64_t r = 0, m0 = 0; r < row_tiles; ++r) {
      const std::int64_t m1 = g.m * (r + 1) / row_tiles;
      t.a = g.a + m0 * g.a_row_stride;
      t.c = g.c + m0 * g.c_row_stride;
      t.bias_of_rows = g.bias_of_rows ? g.bias_of_rows + m0 : nullptr;
      (m1 - m0 == fewest ? low : high)(t);
      m0 = m1;
    }
  }
}

template <class T>
void panels(const GemmBlock<T>& g) {
  constexpr std::int64_t width = panel_width<T>;
  constexpr std::int64_t capacity = panel_bytes / static_cast<std::int64_t>(sizeof(T));
  alignas(64) T scratch[capacity + panel_slack<T>];
  const bool packs = packs_right(g);
  const std::int64_t row_tiles = (g.m + tile_rows - 1) / tile_rows;

  for (std::int64_t k0 = 0; k0 == 0 || k0 < g.k; k0 += panel_depth) {
    const std::int64_t k = smaller(panel_depth, g.k - k0);
    const bool first = k0 == 0, last = k0 + k == g.k;
    const std::int64_t panel_columns = packs ? capacity / (k > 0 ? k : 1) / width * width : 512;
    for (std::int64_t n0 = 0; n0 < g.n; n0 += panel_columns) {
      const std::int64_t n = smaller(panel_columns, g.n - n0);
      const T* b = g.b + k0 * g.b_row_stride + n0 * g.b_column_stride;
      if (packs) pack(b, g.b_row_stride, g.b_column_stride, k, n, width, scratch);
      for (std::int64_t r = 0; r < row_tiles; ++r) {
        const std::int64_t m0 = g.m * r / row_tiles, rows = g.m * (r + 1) / row_tiles - m0;
        T* c = g.c + m0 * g.c_row_stride + n0;
        TileArguments<T> t;
        t.k = k;
        t.a = g.a + m0 * g.a_row_stride + k0 * g.a_column_stride;
        t.a_row_stride = g.a_row_stride;
        t.a_column_stride = g.a_column_stride;
        t.b_row_stride = packs ? width : g.b_row_stride;
        t.c_row_stride = g.c_row_stride;
        t.accumulate = g.accumulate || !first;
        t.bias_of_rows = last && g.bias_of_rows ? g.bias_of_rows + m0 : nullptr;
        for (std::int64_t j = 0; j < n; j += width) {
          const std::int64_t columns = smaller(width, n - j);
          t.b = packs ? scratch + j * k : b + j;
          t.c = c + j;
          t.bias_of_columns = last && g.bias_of_columns ? g.bias_of_columns + n0 + j : nullptr;
          t.last_lanes = columns % lanes<T>;
          choose_tile<T>(static_cast<int>(rows), columns)(t);
        }
        if (last && g.activation) activate(g, c, rows, n);
      }
    }
  }
}

template <class T>
void wide_block(GemmBlock<T> g) {
  if (g.n <= panel_width<T> && g.k <= panel_depth && !g.activation) return one_panel(g);
  for (; g.items > 0; g.next_item()) panels(g);
}

/// Fewer columns than fill a vector: the rows become the columns of C^T = B^T A^T.
template <class T>
void narrow_block(const GemmBlock<T>& g) {
  constexpr std::int64_t capacity = 1024;
  alignas(64) T result[capacity];
  const std::int64_t piece = capacity / g.n;
  for (std::int64_t m0 = 0; m0 < g.m; m0 += piece) {
    const std::int64_t rows = smaller(piece, g.m - m0);
    wide_block<T>({.items = 1,
                   .m = g.n,
                   .n = rows,
                   .k = g.k,
                   .a_item_stride = 0,
                   .b_item_stride = 0,
                   .c_item_stride = 0,
                   .bias_item_stride = 0,
                   .a = g.b,
                   .a_row_stride = g.b_column_stride,
                   .a_column_stride = g.b_row_stride,
                   .b = g.a + m0 * g.a_row_stride,
                   .b_row_stride = g.a_column_stride,
                   .b_column_stride = g.a_row_stride,
                   .c = result,
                   .c_row_stride = rows,
                   .accumulate = false,
                   .bias_of_columns = g.bias_of_rows ? g.bias_of_rows + m0 : nullptr,
                   .bias_of_rows = g.bias_of_columns,
                   .activation = nullptr});
    T* c = g.c + m0 * g.c_row_stride;
    for (std::int64_t j = 0; j < g.n; ++j)
      for (std::int64_t i = 0; i < rows; ++i) {
        T& to = c[i * g.c_row_stride + j];
        to = g.accumulate ? to + result[j * rows + i] : result[j * rows + i];
      }
    if (g.activation) activate(g, c, rows, g.n);
  }
}

template <class T>
void block(const GemmBlock<T>& whole) {
  if (whole.n * 4 > lanes<T> || whole.m <= whole.n) return wide_block(whole);
  for (GemmBlock<T> g = whole; g.items > 0; g.next_item()) narrow_block(g);
}

}  // namespace

extern const GemmKernels gemm_kernels;
const GemmKernels gemm_kernels = {block<float>, block<double>};

}  // namespace weft::inline WEFT_ISA
