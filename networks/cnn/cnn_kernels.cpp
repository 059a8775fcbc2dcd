// Compiled once per instruction set.

#include "weft/networks/cnn/cnn_kernels.h"

#include "weft/core/math.h"
#include "weft/core/philox.h"
#include "weft/core/team.h"
#include "weft/networks/population/product_tile.h"

namespace weft::inline WEFT_ISA {

namespace {

template <int rows, int vectors>
void product_tile(const TapProduct& p, std::int64_t first, std::int64_t column) {
  constexpr int width = lanes<float>;
  const float* x[rows];
  for (int r = 0; r < rows; ++r) x[r] = p.x + p.x_offsets[first + r];
  Vector<float> sum[rows][vectors] = {};
  if (p.bias)
    for (int r = 0; r < rows; ++r)
      for (int v = 0; v < vectors; ++v) sum[r][v] = load(p.bias + column + v * width);
  for (const TapRun *run = p.runs, *end = run + p.run_count; run != end; ++run) {
    const float* w = p.w + run->w * p.width + column;
    for (std::int64_t j = run->x; j < run->x + p.length; ++j, w += p.width) {
      Vector<float> right[vectors];
      for (int v = 0; v < vectors; ++v) right[v] = load(w + v * width);
      for (int r = 0; r < rows; ++r) {
        const Vector<float> left = broadcast(x[r][j]);
        for (int v = 0; v < vectors; ++v) sum[r][v] = fma(left, right[v], sum[r][v]);
      }
    }
  }
  if (p.relu)
    for (int r = 0; r < rows; ++r)
      for (int v = 0; v < vectors; ++v) sum[r][v] = relu(sum[r][v]);
  for (int r = 0; r < rows; ++r)
    for (int v = 0; v < vectors; ++v) store(p.y + p.y_offsets[first + r] + column + v * width, sum[r][v]);
}

using ProductTile = void (*)(const TapProduct&, std::int64_t first, std::int64_t column);

template <int vectors, std::size_t... r>
constexpr ProductTile product_tile_of(std::int64_t rows, std::index_sequence<r...>) {
  constexpr ProductTile all[] = {product_tile<static_cast<int>(r) + 1, vectors>...};
  return all[rows - 1];
}

template <int vectors>
void product_columns(const TapProduct& p, std::int64_t column) {
  constexpr auto all = std::make_index_sequence<static_cast<std::size_t>(product_rows<vectors>)>{};
  const std::int64_t tiles = (p.rows + product_rows<vectors> - 1) / product_rows<vectors>;
  for (std::int64_t t = 0; t < tiles; ++t) {
    const std::int64_t first = p.rows * t / tiles;
    product_tile_of<vectors>(p.rows * (t + 1) / tiles - first, all)(p, first, column);
  }
}

/// The first layer's 3x3 kernels: so few weights that they stay in registers while the positions pass.
template <int runs>
void product_of_three(const TapProduct& p, std::int64_t column) {
  Vector<float> w[runs][3];
  std::int64_t offset[runs];
#pragma GCC unroll 9
  for (int s = 0; s < runs; ++s) {
    offset[s] = p.runs[s].x;
    for (int k = 0; k < 3; ++k) w[s][k] = load(p.w + (p.runs[s].w + k) * p.width + column);
  }
  const Vector<float> bias = p.bias ? load(p.bias + column) : Vector<float>{};
  for (std::int64_t r = 0; r < p.rows; ++r) {
    const float* x = p.x + p.x_offsets[r];
    Vector<float> sum = bias;
#pragma GCC unroll 9
    for (int s = 0; s < runs; ++s) {
      const float* from = x + offset[s];
      for (int k = 0; k < 3; ++k) sum = fma(broadcast(from[k]), w[s][k], sum);
    }
    store(p.y + p.y_offsets[r] + column, p.relu ? relu(sum) : sum);
  }
}

void product(const TapProduct& p) {
  std::int64_t column = 0;
  if (p.length == 3 && (p.run_count == 3 || (p.run_count == 9 && vector_registers == 32))) {
    for (; column < p.width; column += lanes<float>)
      p.run_count == 3 ? product_of_three<3>(p, column) : product_of_three<9>(p, column);
    return;
  }
  for (; column + 2 * lanes<float> <= p.width; column += 2 * lanes<float>) product_columns<2>(p, column);
  if (column < p.width) product_columns<1>(p, column);
}

/// `runs` runs from `run` on, of each the inputs [j, j + length).
template <int runs, int length, int vectors>
void gradient_tile(const TapGradient& g, std::int64_t run, std::int64_t j, std::int64_t column) {
  constexpr int width = lanes<float>;
  Vector<float> sum[runs][length][vectors];
  std::int64_t offset[runs];
  float* to[runs];
#pragma GCC unroll 4
  for (int s = 0; s < runs; ++s) {
    offset[s] = g.runs[run + s].x + j;
    to[s] = g.gw + (g.runs[run + s].w + j) * g.width + column;
#pragma GCC unroll 32
    for (int k = 0; k < length; ++k)
      for (int v = 0; v < vectors; ++v) sum[s][k][v] = load(to[s] + k * g.width + v * width);
  }
  const float* gy = g.gy + column;
  for (std::int64_t r = 0; r < g.rows; ++r, gy += g.width) {
    const float* x = g.x + g.x_offsets[r];
    Vector<float> right[vectors];
    for (int v = 0; v < vectors; ++v) right[v] = load(gy + v * width);
#pragma GCC unroll 4
    for (int s = 0; s < runs; ++s) {
      const float* from = x + offset[s];
#pragma GCC unroll 32
      for (int k = 0; k < length; ++k) {
        const Vector<float> left = broadcast(from[k]);
        for (int v = 0; v < vectors; ++v) sum[s][k][v] = fma(left, right[v], sum[s][k][v]);
      }
    }
  }
#pragma GCC unroll 4
  for (int s = 0; s < runs; ++s)
#pragma GCC unroll 32
    for (int k = 0; k < length; ++k)
      for (int v = 0; v < vectors; ++v) store(to[s] + k * g.width + v * width, sum[s][k][v]);
}

using GradientTile = void (*)(const TapGradient&, std::int64_t run, std::int64_t j, std::int64_t column);

template <int vectors, std::size_t... k>
constexpr GradientTile gradient_tile_of(std::int64_t length, std::index_sequence<k...>) {
  constexpr GradientTile all[] = {gradient_tile<1, static_cast<int>(k) + 1, vectors>...};
  return all[length - 1];
}

template <int vectors>
void gradient_columns(const TapGradient& g, std::int64_t column) {
  constexpr auto all = std::make_index_sequence<static_cast<std::size_t>(gradient_rows<vectors>)>{};
  const std::int64_t tiles = (g.length + gradient_rows<vectors> - 1) / gradient_rows<vectors>;
  std::int64_t run = 0;
  // A 3x3 kernel's rows on the planes of an image: three runs together give enough independent sums.
  if constexpr (vectors == 1)
    if (g.length == 3)
      for (; run + 3 <= g.run_count; run += 3) gradient_tile<3, 3, 1>(g, run, 0, column);
  for (; run < g.run_count; ++run)
    for (std::int64_t t = 0; t < tiles; ++t) {
      const std::int64_t j = g.length * t / tiles;
      gradient_tile_of<vectors>(g.length * (t + 1) / tiles - j, all)(g, run, j, column);
    }
}

void add_rows(const TapGradient& g, std::int64_t column) {
  const float* gy = g.gy + column;
  const Vector<float> sum = pairwise_sum<Vector<float>>(g.rows, [=](std::int64_t r) { return load(gy + r * g.width); });
  store(g.gb + column, load(g.gb + column) + sum);
}

void gradient(const TapGradient& g) {
  std::int64_t column = 0;
  if (g.length > 3 || gradient_rows<1> < 9)
    for (; column + 2 * lanes<float> <= g.width; column += 2 * lanes<float>) gradient_columns<2>(g, column);
  for (; column < g.width; column += lanes<float>) gradient_columns<1>(g, column);
  for (column = 0; column < g.width; column += lanes<float>) add_rows(g, column);
}

void tanh_in_place(float* y, std::int64_t n) {
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) y[i] = math::tanh(y[i]);
}

/// philox() on neighbouring counters, word by word in 64-bit lanes (of which the low half counts): what vectorises.
void random_words(const RandomWords& from, std::int64_t blocks, std::uint32_t* words) {
  constexpr int group = 16;
  constexpr std::uint64_t low = 0xFFFFFFFFu;
  for (std::int64_t b0 = 0; b0 < blocks; b0 += group) {
    std::uint64_t x[4][group], k0 = from.seed & low, k1 = from.seed >> 32;
    for (int i = 0; i < group; ++i) {
      const std::uint64_t counter = from.first_block + static_cast<std::uint64_t>(b0 + i);
      x[0][i] = counter & low;
      x[1][i] = counter >> 32;
      x[2][i] = from.purpose & low;
      x[3][i] = from.purpose >> 32;
    }
    for (int round = 0; round < 10; ++round, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u)
#pragma omp simd
      for (int i = 0; i < group; ++i) {
        const std::uint64_t a = 0xD2511F53u * (x[0][i] & low), b = 0xCD9E8D57u * (x[2][i] & low);
        x[0][i] = (b >> 32) ^ x[1][i] ^ k0;
        x[1][i] = b;
        x[2][i] = (a >> 32) ^ x[3][i] ^ k1;
        x[3][i] = a;
      }
    for (std::int64_t i = 0; i < group && b0 + i < blocks; ++i)
      for (int k = 0; k < 4; ++k) words[(b0 + i) * 4 + k] = static_cast<std::uint32_t>(x[k][i]);
  }
}

void drop(float* y, const std::uint8_t* bytes, std::int32_t threshold, float scale, std::int64_t n) {
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) y[i] = bytes[i] >= threshold ? scale * y[i] : 0.f;
}

void relu_vjp(const float* y, float scale, float* g, std::int64_t n) {
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) g[i] = y[i] > 0.f ? scale * g[i] : 0.f;
}

void tanh_vjp(const float* y, float* g, std::int64_t n) {
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) g[i] *= 1.f - y[i] * y[i];
}

void tanh_drop_vjp(const float* y, const std::uint8_t* bytes, std::int32_t threshold, float scale, float* g,
                   std::int64_t n) {
  const float keep = 1.f / scale;
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) {
    const float t = keep * y[i];
    g[i] = bytes[i] >= threshold ? scale * g[i] * (1.f - t * t) : 0.f;
  }
}

float cross_entropy(float* z, std::int64_t classes, std::int64_t width, std::int32_t label, float scale) {
  const SerialTeam team;
  const float largest = team.max(classes, z[0], [=](std::int64_t i) { return z[i]; });
  const float target = z[label] - largest;
#pragma omp simd
  for (std::int64_t i = 0; i < width; ++i) z[i] = i < classes ? math::exp(z[i] - largest) : 0.f;
  const float sum = team.sum<float>(width, [=](std::int64_t i) { return z[i]; });
  const float factor = scale / sum;
#pragma omp simd
  for (std::int64_t i = 0; i < width; ++i) z[i] *= factor;
  z[label] -= scale;
  return math::log(sum) - target;
}

void transpose_matrix(const float* from, std::int64_t from_stride, std::int64_t rows, std::int64_t columns, float* to,
                      std::int64_t to_stride) {
  constexpr std::int64_t side = lanes<float>;
  constexpr auto all = std::make_index_sequence<static_cast<std::size_t>(side)>{};
  for (std::int64_t i0 = 0; i0 < rows; i0 += side)
    for (std::int64_t j0 = 0; j0 < columns; j0 += side) {
      const float* part = from + j0 * from_stride + i0;
      float* out = to + i0 * to_stride + j0;
      if (i0 + side <= rows && j0 + side <= columns) {
        transpose_all(part, from_stride, out, to_stride, all);
        continue;
      }
      for (std::int64_t i = 0; i < side && i0 + i < rows; ++i)
        for (std::int64_t j = 0; j < side && j0 + j < columns; ++j) out[i * to_stride + j] = part[j * from_stride + i];
    }
}

}  // namespace

extern const CnnKernels cnn_kernels;
const CnnKernels cnn_kernels = {product,  gradient, tanh_in_place, random_words,  drop,
                                relu_vjp, tanh_vjp, tanh_drop_vjp, cross_entropy, transpose_matrix};

}  // namespace weft::inline WEFT_ISA
