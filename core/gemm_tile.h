#pragma once
// The register-blocked inner kernel: `rows` x `vectors` accumulators stay in registers over the whole contraction.
// Included by kernel sources only (see core/isa.h).

#include <cstdint>

#include "weft/core/gemm_vector.h"

namespace weft::inline WEFT_ISA {

/// Vectors across and rows down of the largest tile: 24 of 32 accumulators (AVX-512), 12 or 8 of 16.
inline constexpr int tile_vectors = 2;
inline constexpr int tile_rows = vector_registers == 32 ? 12 : vector_bytes == 32 ? 6 : 4;

template <class T>
struct TileArguments {
  std::int64_t k;
  const T* a;
  std::int64_t a_row_stride, a_column_stride;
  const T* b;
  std::int64_t b_row_stride;
  T* c;
  std::int64_t c_row_stride;
  bool accumulate;
  const T* bias_of_columns;
  const T* bias_of_rows;
  std::int64_t last_lanes;  ///< of the last vector of a partial tile
};

template <class T, int rows, int vectors, bool partial>
void tile(const TileArguments<T>& arguments) {
  constexpr int width = lanes<T>;
  const TileArguments<T> t = arguments;  // a copy: C might lie in the original
  const Head<T> head(t.last_lanes);
  auto load_part = [&](const T* p, int v) {
    return partial && v == vectors - 1 ? head.load(p + v * width) : load(p + v * width);
  };

  // A multiplication takes its time: a tile with few accumulators adds up several chains of steps side by side.
  constexpr int chains = rows * vectors > 4 ? 1 : rows * vectors > 2 ? 2 : 4;
  // Every loop over `sum` is unrolled by order: one that is not, be it the last, would keep the sums in memory.
  Vector<T> sums[chains][rows][vectors];
#pragma GCC unroll 4
  for (int c = 0; c < chains; ++c)
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 2
      for (int v = 0; v < vectors; ++v) sums[c][r][v] = Vector<T>{};
  const T *a = t.a, *b = t.b;
  const std::int64_t a_row = t.a_row_stride;
  auto step = [&](Vector<T>(&sum)[rows][vectors]) {
    Vector<T> right[vectors];
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v) right[v] = load_part(b, v);
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) {
      const Vector<T> left = broadcast(a[r * a_row]);
#pragma GCC unroll 2
      for (int v = 0; v < vectors; ++v) sum[r][v] = fma(left, right[v], sum[r][v]);
    }
    a += t.a_column_stride;
    b += t.b_row_stride;
  };
  std::int64_t k = t.k;
  if constexpr (chains > 1)
    for (; k >= chains; k -= chains)
#pragma GCC unroll 4
      for (int c = 0; c < chains; ++c) step(sums[c]);
  for (; k > 0; --k) step(sums[0]);
  Vector<T>(&sum)[rows][vectors] = sums[0];
#pragma GCC unroll 4
  for (int c = 1; c < chains; ++c)
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 2
      for (int v = 0; v < vectors; ++v) sum[r][v] += sums[c][r][v];

  if (t.bias_of_columns)
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v) {
      const Vector<T> bias = load_part(t.bias_of_columns, v);
#pragma GCC unroll 16
      for (int r = 0; r < rows; ++r) sum[r][v] += bias;
    }
  if (t.bias_of_rows)
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 2
      for (int v = 0; v < vectors; ++v) sum[r][v] += broadcast(t.bias_of_rows[r]);
#pragma GCC unroll 16
  for (int r = 0; r < rows; ++r) {
    T* c = t.c + r * t.c_row_stride;
    if (t.accumulate)
#pragma GCC unroll 2
      for (int v = 0; v < vectors; ++v) sum[r][v] += load_part(c, v);
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v)
      if (partial && v == vectors - 1)
        head.store(c + v * width, sum[r][v]);
      else
        store(c + v * width, sum[r][v]);
  }
}

template <class T>
using Tile = void (*)(const TileArguments<T>&);

template <class T, int vectors, bool partial, std::size_t... r>
constexpr Tile<T> tile_of_rows(int rows, std::index_sequence<r...>) {
  constexpr Tile<T> all[] = {tile<T, static_cast<int>(r) + 1, vectors, partial>...};
  return all[rows - 1];
}

/// The kernel for a tile of `rows` x `columns`.
template <class T>
inline Tile<T> choose_tile(int rows, std::int64_t columns) {
  static_assert(tile_vectors == 2);
  constexpr auto all = std::make_index_sequence<static_cast<std::size_t>(tile_rows)>{};
  const bool partial = columns % lanes<T> != 0;
  if (columns > lanes<T>) return partial ? tile_of_rows<T, 2, true>(rows, all) : tile_of_rows<T, 2, false>(rows, all);
  return partial ? tile_of_rows<T, 1, true>(rows, all) : tile_of_rows<T, 1, false>(rows, all);
}

}  // namespace weft::inline WEFT_ISA
