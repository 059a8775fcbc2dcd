#include "weft/nfn/transformer/features.h"

#include <algorithm>

#include "weft/nfn/layer_kernels.h"

namespace weft::transformer {

namespace {

/// [h, rows, k] -> [rows, h k]: all heads side by side, so that one product sums over them.
template <class T>
const T* side_by_side(const T* from, std::int64_t h, std::int64_t rows, std::int64_t k, T* to) {
  if (h == 1) return from;
  for (std::int64_t i = 0; i < h; ++i)
    kernels<T>().copy_rows(from + i * rows * k, k, rows, k, to + i * k, h * k, false);
  return to;
}

}  // namespace

void check_block_input(const char* who, const LayerInput& input, const Space& space) {
  if (input.dropout != 0) throw UsageError("[{}] dropout {}; allowed: 0", who, input.dropout);
  if (!input.activation) return;
  if (*input.activation == UnaryOp::Abs)
    throw UsageError("[{}] activation abs changes the type; apply it as an op of its own", who);
  for (int t : {WA, bA, WB, bB})
    require(action_of(*input.activation), traits(*input.activation).name,
            space.tensors()[static_cast<std::size_t>(t)].name, space.type(t));
}

template <class T>
Block<T>::Block(const Sizes& sizes, std::span<const Var> inputs, const LayerInput& input, bool axis_wise, Arena& arena)
    : z(sizes), reading(input) {
  for (int t = 0; t < tensors; ++t) in[t] = inputs[static_cast<std::size_t>(t)].value().template data<T>();
  if (!axis_wise) return;
  by_row = numbers<T>(arena, z.batch * rows() * z.D);
  by_column = numbers<T>(arena, z.batch * z.A * columns());
  if (reading.changes()) read_WA = numbers<T>(arena, z.batch * z.d * z.size(WA));
}

template <class T>
std::int64_t Block<T>::scratch() const {
  const std::int64_t heads = std::max(z.size(WQ), z.size(WV)), side = std::max(z.A, z.D);
  return 2 * padded(heads) + padded(z.D * z.D) + 2 * padded(side) + padded(z.d * z.size(WA)) +
         padded(z.d * z.size(WB)) + 2 * padded(z.d * side) + padded(z.size(WA));
}

template <class T>
void Block<T>::features(std::int64_t net, T* x, T* memory) const {
  const GlobalVector at(z);
  const std::int64_t D = z.D, A = z.A, hk = z.h * z.Dk, hv = z.h * z.Dv, heads = std::max(z.size(WQ), z.size(WV));
  Carve<T> carve{memory};
  T *left = carve.take(heads), *right = carve.take(heads), *VO = carve.take(D * D), *over_columns = carve.take(D),
    *over_rows = carve.take(A);
  auto read = [&](int tensor, T* to) {
    const T* from = input(tensor, net);
    if (!reading.changes()) return from;
    reading.forward(from, to, z.d, z.size(tensor), nullptr);
    return static_cast<const T*>(to);
  };
  const T *wa = read(WA, read_WA ? read_WA + net * z.d * z.size(WA) : carve.take(z.d * z.size(WA))),
          *wb = read(WB, carve.take(z.d * z.size(WB))), *ba = read(bA, carve.take(z.d * A)),
          *bb = read(bB, carve.take(z.d * D));
  std::copy_n(bb, z.d * D, x + at.at[GlobalVector::bB]);
  T *rows_to = by_row ? by_row + net * rows() * D : nullptr,
    *columns_to = by_column ? by_column + net * A * columns() : nullptr;
  for (std::int64_t c = 0; c < z.d; ++c) {
    const T *q = side_by_side(input(WQ, net) + c * z.size(WQ), z.h, D, z.Dk, left),
            *k = side_by_side(input(WK, net) + c * z.size(WK), z.h, D, z.Dk, right);
    product<T>({1, D, D, hk}, {q, 0, hk, 1}, {k, 0, 1, hk}, 0, x + at.at[GlobalVector::QK] + c * D * D, 0, D);
    const T* v = side_by_side(input(WV, net) + c * z.size(WV), z.h, D, z.Dv, left);
    T* vo = rows_to ? rows_to + c * D * D : VO;
    product<T>({1, D, D, hv}, {v, 0, hv, 1}, {input(WO, net) + c * z.size(WO), 0, D, 1}, 0, vo, 0, D);
    kernels<T>().sums(vo, D, D, x + at.at[GlobalVector::VO] + c * D, nullptr);

    T* row_sums = rows_to ? rows_to + (z.d * D + c) * D : over_columns;
    kernels<T>().sums(wa + c * D * A, D, A, row_sums, columns_to ? over_rows : nullptr);
    x[at.at[GlobalVector::WA] + c] = SerialTeam{}.sum<T>(D, [=](std::int64_t j) { return row_sums[j]; });
    x[at.at[GlobalVector::bA] + c] = SerialTeam{}.sum<T>(A, [=](std::int64_t j) { return ba[c * A + j]; });
    if (columns_to) {
      kernels<T>().copy_rows(wb + c * A * D, D, A, D, columns_to + c * D, columns(), false);
      for (std::int64_t j = 0; j < A; ++j) {
        T* to = columns_to + j * columns();
        to[z.d * D + c] = over_rows[j];
        to[z.d * D + z.d + c] = ba[c * A + j];
      }
    }
    kernels<T>().sums(wb + c * A * D, A, D, nullptr, x + at.at[GlobalVector::WB] + c * D);
  }
}

template <class T>
BlockGradients<T>::BlockGradients(Backward& back) {
  for (int t = 0; t < tensors; ++t) to[t] = gradient_of<T>(back, t);
}

template <class T>
void features_vjp(const Block<T>& b, std::int64_t net, const T* gx, const T* g_row, const T* g_column, const T* g_WA,
                  const BlockGradients<T>& g, T* memory) {
  const Sizes& z = b.z;
  const GlobalVector at(z);
  const std::int64_t D = z.D, A = z.A, Dk = z.Dk, Dv = z.Dv, d = z.d;
  Carve<T> carve{memory};
  T *VO = carve.take(D * D), *wa = carve.take(d * z.size(WA)), *wb = carve.take(d * z.size(WB)),
    *ba = carve.take(d * std::max(A, D)), *scratch = carve.take(z.size(WA));
  auto gradient = [&](int t) { return Grad<T>{g.to[t].data + net * d * z.size(t), g.to[t].beta}; };
  auto weight = [&](int t, std::int64_t c) { return b.input(t, net) + c * z.size(t); };
  auto grad = [&](int t, std::int64_t c) { return gradient(t).data + c * z.size(t); };
  for (std::int64_t c = 0; c < d; ++c) {
    // [QK] = Σ_h Q_h K_h^T: both gradients head by head, where they lie.
    const T* gQK = gx + at.at[GlobalVector::QK] + c * D * D;
    product<T>({z.h, D, Dk, D}, {gQK, 0, D, 1}, {weight(WK, c), D * Dk, Dk, 1}, g.to[WQ].beta, grad(WQ, c), D * Dk, Dk);
    product<T>({z.h, D, Dk, D}, {gQK, 0, 1, D}, {weight(WQ, c), D * Dk, Dk, 1}, g.to[WK].beta, grad(WK, c), D * Dk, Dk);
    const T* gsum = gx + at.at[GlobalVector::VO] + c * D;
    for (std::int64_t p = 0; p < D; ++p)
      for (std::int64_t j = 0; j < D; ++j) VO[p * D + j] = gsum[p] + (g_row ? g_row[(c * D + p) * D + j] : T(0));
    product<T>({z.h, D, Dv, D}, {VO, 0, D, 1}, {weight(WO, c), Dv * D, 1, D}, g.to[WV].beta, grad(WV, c), D * Dv, Dv);
    product<T>({z.h, Dv, D, D}, {weight(WV, c), D * Dv, 1, Dv}, {VO, 0, D, 1}, g.to[WO].beta, grad(WO, c), Dv * D, D);

    const T all = gx[at.at[GlobalVector::WA] + c], biases = gx[at.at[GlobalVector::bA] + c];
    const T* of_WB = gx + at.at[GlobalVector::WB] + c * D;
    const std::int64_t columns = b.columns();
    for (std::int64_t k = 0; k < A; ++k) {
      const T* of = g_column ? g_column + k * columns : nullptr;
      T* to = wb + (c * A + k) * D;
      for (std::int64_t q = 0; q < D; ++q) to[q] = of_WB[q] + (of ? of[c * D + q] : T(0));
      ba[c * A + k] = biases + (of ? of[d * D + d + c] : T(0));
      scratch[k] = all + (of ? of[d * D + c] : T(0));  // of column k of WA
    }
    for (std::int64_t j = 0; j < D; ++j) {
      const T row = g_row ? g_row[(d * D + c) * D + j] : T(0);
      const T* from = g_WA ? g_WA + (c * D + j) * A : nullptr;
      T* to = wa + (c * D + j) * A;
      for (std::int64_t k = 0; k < A; ++k) to[k] = row + scratch[k] + (from ? from[k] : T(0));
    }
  }
  b.reading.vjp(b.input(WA, net), wa, d, z.size(WA), nullptr, gradient(WA), scratch);
  b.reading.vjp(b.input(WB, net), wb, d, z.size(WB), nullptr, gradient(WB), scratch);
  b.reading.vjp(b.input(bA, net), ba, d, A, nullptr, gradient(bA), scratch);
  std::copy_n(gx + at.at[GlobalVector::bB], d * D, ba);
  b.reading.vjp(b.input(bB, net), ba, d, D, nullptr, gradient(bB), scratch);
}

#define WEFT_INSTANTIATE(T)                                                                         \
  template struct Block<T>;                                                                         \
  template struct BlockGradients<T>;                                                                \
  template void features_vjp(const Block<T>&, std::int64_t, const T*, const T*, const T*, const T*, \
                             const BlockGradients<T>&, T*);
WEFT_INSTANTIATE(float)
WEFT_INSTANTIATE(double)
#undef WEFT_INSTANTIATE

}  // namespace weft::transformer
