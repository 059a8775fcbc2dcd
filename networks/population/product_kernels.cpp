// Compiled once per instruction set.

#include "weft/networks/population/product_kernels.h"

#include "weft/core/pairwise.h"
#include "weft/networks/population/product_tile.h"

namespace weft::inline WEFT_ISA {

namespace {

template <int rows, int vectors>
void product_tile(const RowsProduct& p, std::int64_t first, std::int64_t column) {
  constexpr int width = lanes<float>;
  const float* x[rows];
  for (int r = 0; r < rows; ++r) x[r] = p.x + (first + r) * p.x_stride;
  float* y = p.y + first * p.y_stride + column;
  Vector<float> sum[rows][vectors] = {};
  if (p.bias)
    for (int r = 0; r < rows; ++r)
      for (int v = 0; v < vectors; ++v) sum[r][v] = load(p.bias + column + v * width);
  if (p.add)
    for (int r = 0; r < rows; ++r)
      for (int v = 0; v < vectors; ++v) sum[r][v] += load(y + r * p.y_stride + v * width);
  const float* w = p.w + column;
  for (std::int64_t j = 0; j < p.depth; ++j, w += p.w_stride) {
    Vector<float> right[vectors];
    for (int v = 0; v < vectors; ++v) right[v] = load(w + v * width);
    for (int r = 0; r < rows; ++r) {
      const Vector<float> left = broadcast(x[r][j]);
      for (int v = 0; v < vectors; ++v) sum[r][v] = fma(left, right[v], sum[r][v]);
    }
  }
  if (p.relu)
    for (int r = 0; r < rows; ++r)
      for (int v = 0; v < vectors; ++v) sum[r][v] = relu(sum[r][v]);
  for (int r = 0; r < rows; ++r)
    for (int v = 0; v < vectors; ++v) store(y + r * p.y_stride + v * width, sum[r][v]);
}

template <int depth, int vectors>
void gradient_tile(const RowsGradient& p, std::int64_t first, std::int64_t column) {
  constexpr int width = lanes<float>;
  float* g = p.g + first * p.g_stride + column;
  Vector<float> sum[depth][vectors] = {};
  if (p.add)
    for (int j = 0; j < depth; ++j)
      for (int v = 0; v < vectors; ++v) sum[j][v] = load(g + j * p.g_stride + v * width);
  const float *x = p.x + first, *y = p.y + column;
  for (std::int64_t r = 0; r < p.rows; ++r, x += p.x_stride, y += p.y_stride) {
    Vector<float> right[vectors];
    for (int v = 0; v < vectors; ++v) right[v] = load(y + v * width);
    for (int j = 0; j < depth; ++j) {
      const Vector<float> left = broadcast(x[j]);
      for (int v = 0; v < vectors; ++v) sum[j][v] = fma(left, right[v], sum[j][v]);
    }
  }
  for (int j = 0; j < depth; ++j)
    for (int v = 0; v < vectors; ++v) store(g + j * p.g_stride + v * width, sum[j][v]);
}

template <class Problem>
using Tile = void (*)(const Problem&, std::int64_t first, std::int64_t column);

template <int vectors, std::size_t... r>
constexpr Tile<RowsProduct> tile_of(const RowsProduct&, std::int64_t rows, std::index_sequence<r...>) {
  constexpr Tile<RowsProduct> all[] = {product_tile<static_cast<int>(r) + 1, vectors>...};
  return all[rows - 1];
}
template <int vectors, std::size_t... r>
constexpr Tile<RowsGradient> tile_of(const RowsGradient&, std::int64_t rows, std::index_sequence<r...>) {
  constexpr Tile<RowsGradient> all[] = {gradient_tile<static_cast<int>(r) + 1, vectors>...};
  return all[rows - 1];
}

/// `count` rows of the result in tiles of nearly equal height, at most `largest`.
template <int vectors, int largest, class Problem>
void columns(const Problem& p, std::int64_t count, std::int64_t column) {
  constexpr auto all = std::make_index_sequence<static_cast<std::size_t>(largest)>{};
  const std::int64_t tiles = (count + largest - 1) / largest;
  for (std::int64_t t = 0; t < tiles; ++t) {
    const std::int64_t first = count * t / tiles;
    tile_of<vectors>(p, count * (t + 1) / tiles - first, all)(p, first, column);
  }
}

void product(const RowsProduct& p) {
  std::int64_t column = 0;
  for (; column + 2 * lanes<float> <= p.width; column += 2 * lanes<float>)
    columns<2, product_rows<2>>(p, p.rows, column);
  if (column < p.width) columns<1, product_rows<1>>(p, p.rows, column);
}

void gradient(const RowsGradient& p) {
  std::int64_t column = 0;
  for (; column + 2 * lanes<float> <= p.width; column += 2 * lanes<float>)
    columns<2, gradient_rows<2>>(p, p.depth, column);
  if (column < p.width) columns<1, gradient_rows<1>>(p, p.depth, column);
}

void column_sums(std::int64_t rows, std::int64_t width, const float* x, std::int64_t stride, float* sums) {
  for (std::int64_t c = 0; c < width; c += lanes<float>)
    store(sums + c,
          load(sums + c) + pairwise_sum<Vector<float>>(rows, [=](std::int64_t r) { return load(x + r * stride + c); }));
}

}  // namespace

extern const ProductKernels product_kernels;
const ProductKernels product_kernels = {product, gradient, column_sums};

}  // namespace weft::inline WEFT_ISA
