#include "weft/nfn/transformer/heads.h"

#include "weft/nfn/layer_kernels.h"

namespace weft::transformer {
namespace {

/// [batch, channels, h, D, k] and [channels D, batch h k]: f(first number of D rows in the first, k apart; in the
/// second, stride() apart).
template <class T, class F>
void each_head(const HeadMix<T>& m, std::int64_t channels, const F& f) {
  const Sizes& z = m.z;
  const std::int64_t stride = m.stride();
  parallel_blocks(channels * z.batch, copy_grain(z.h * z.D * m.k), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t at = begin; at < end; ++at)
      for (std::int64_t i = 0; i < z.h; ++i) {
        const std::int64_t channel = at / z.batch, net = at % z.batch;
        f(((net * channels + channel) * z.h + i) * z.D * m.k, channel * z.D * stride + (net * z.h + i) * m.k);
      }
  });
}

template <class T>
T* columns_of(const HeadMix<T>& m, const T* from, std::int64_t channels, Arena& arena) {
  T* to = numbers<T>(arena, channels * m.z.D * m.stride());
  each_head(m, channels, [&](std::int64_t tensor, std::int64_t matrix) {
    kernels<T>().copy_rows(from + tensor, m.k, m.z.D, m.k, to + matrix, m.stride(), false);
  });
  return to;
}

/// The way back, added to what stands there or in its place.
template <class T>
void put_back(const HeadMix<T>& m, const T* matrix, std::int64_t channels, T* to, bool accumulate) {
  each_head(m, channels, [&](std::int64_t tensor, std::int64_t at) {
    kernels<T>().copy_rows(matrix + at, m.stride(), m.z.D, m.k, to + tensor, m.k, accumulate);
  });
}

/// Φ [e, d, j, p] as a matrix [(e, j), (d, p)].
template <class T>
T* matrix_of(const HeadMix<T>& m, Arena& arena) {
  const Sizes& z = m.z;
  const std::int64_t D = z.D;
  T* to = numbers<T>(arena, z.e * z.d * D * D);
  parallel_blocks(z.e, copy_grain(z.d * D * D), [&](std::int64_t e0, std::int64_t e1) {
    for (std::int64_t e = e0; e < e1; ++e)
      for (std::int64_t c = 0; c < z.d; ++c)
        for (std::int64_t j = 0; j < D; ++j)
          std::copy_n(m.phi + ((e * z.d + c) * D + j) * D, D, to + ((e * D + j) * z.d + c) * D);
  });
  return to;
}

}  // namespace

template <class T>
void HeadMix<T>::forward(T* out, Arena& arena) const {
  const Arena::Mark mark = arena.mark();
  const std::int64_t left = z.e * z.D, right = z.d * z.D, n = columns(), row = stride();
  const T *x = columns_of(*this, in, z.d, arena), *matrix = matrix_of(*this, arena);
  T* y = numbers<T>(arena, left * row);
  gemm<T>({1, left, n, right}, {matrix, 0, right, 1}, {x, 0, row, 1}, 0, y, 0, row);
  put_back(*this, y, z.e, out, false);
  arena.rewind(mark);
}

template <class T>
void HeadMix<T>::vjp(const T* gy, const Grad<T>& g_phi, T* g_in, Arena& arena) const {
  const Arena::Mark mark = arena.mark();
  const std::int64_t D = z.D, left = z.e * D, right = z.d * D, n = columns(), row = stride();
  const T *x = columns_of(*this, in, z.d, arena), *g = columns_of(*this, gy, z.e, arena);
  T* g_matrix = numbers<T>(arena, left * right);
  gemm<T>({1, left, right, n}, {g, 0, row, 1}, {x, 0, 1, row}, 0, g_matrix, 0, right);
  parallel_blocks(z.e, copy_grain(z.d * D * D), [&](std::int64_t e0, std::int64_t e1) {
    for (std::int64_t e = e0; e < e1; ++e)
      for (std::int64_t c = 0; c < z.d; ++c)
        for (std::int64_t j = 0; j < D; ++j)
          add_to<T>({g_phi.data + ((e * z.d + c) * D + j) * D, g_phi.beta}, g_matrix + ((e * D + j) * z.d + c) * D, D);
  });
  if (g_in) {
    const T* matrix = matrix_of(*this, arena);
    T* gx = numbers<T>(arena, right * row);
    gemm<T>({1, right, n, left}, {matrix, 0, 1, right}, {g, 0, row, 1}, 0, gx, 0, row);
    put_back(*this, gx, z.d, g_in, true);
  }
  arena.rewind(mark);
}

template struct HeadMix<float>;
template struct HeadMix<double>;

}  // namespace weft::transformer
