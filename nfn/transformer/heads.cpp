#include "weft/nfn/transformer/heads.h"

namespace weft::transformer {
namespace {

/// [batch, channels, h, D, k] and [channels D, batch h k]: f(row of k numbers in the first, the same in the second).
template <class T, class F>
void each_row(const HeadMix<T>& m, std::int64_t channels, const F& f) {
  const Sizes& z = m.z;
  const std::int64_t columns = m.columns();
  parallel_blocks(channels * z.D, 32, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t line = begin; line < end; ++line)
      for (std::int64_t net = 0; net < z.batch; ++net)
        for (std::int64_t i = 0; i < z.h; ++i) {
          const std::int64_t channel = line / z.D, p = line % z.D;
          f((((net * channels + channel) * z.h + i) * z.D + p) * m.k, line * columns + (net * z.h + i) * m.k);
        }
  });
}

template <class T>
T* columns_of(const HeadMix<T>& m, const T* from, std::int64_t channels, Arena& arena) {
  T* to = numbers<T>(arena, channels * m.z.D * m.columns());
  each_row(m, channels,
           [&](std::int64_t tensor, std::int64_t matrix) { std::copy_n(from + tensor, m.k, to + matrix); });
  return to;
}

/// Φ [e, d, j, p] as a matrix [(e, j), (d, p)].
template <class T>
T* matrix_of(const HeadMix<T>& m, Arena& arena) {
  const Sizes& z = m.z;
  const std::int64_t D = z.D;
  T* to = numbers<T>(arena, z.e * z.d * D * D);
  parallel_blocks(z.e, 1, [&](std::int64_t e, std::int64_t) {
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
  const std::int64_t left = z.e * z.D, right = z.d * z.D, n = columns();
  const T *x = columns_of(*this, in, z.d, arena), *matrix = matrix_of(*this, arena);
  T* y = numbers<T>(arena, left * n);
  gemm<T>({1, left, n, right}, {matrix, 0, right, 1}, {x, 0, n, 1}, 0, y, 0, n);
  each_row(*this, z.e, [&](std::int64_t tensor, std::int64_t at) { std::copy_n(y + at, k, out + tensor); });
  arena.rewind(mark);
}

template <class T>
void HeadMix<T>::vjp(const T* gy, const Grad<T>& g_phi, T* g_in, Arena& arena) const {
  const Arena::Mark mark = arena.mark();
  const std::int64_t D = z.D, left = z.e * D, right = z.d * D, n = columns();
  const T *x = columns_of(*this, in, z.d, arena), *g = columns_of(*this, gy, z.e, arena);
  T* g_matrix = numbers<T>(arena, left * right);
  gemm<T>({1, left, right, n}, {g, 0, n, 1}, {x, 0, 1, n}, 0, g_matrix, 0, right);
  parallel_blocks(z.e, 1, [&](std::int64_t e, std::int64_t) {
    for (std::int64_t c = 0; c < z.d; ++c)
      for (std::int64_t j = 0; j < D; ++j)
        add_to<T>({g_phi.data + ((e * z.d + c) * D + j) * D, g_phi.beta}, g_matrix + ((e * D + j) * z.d + c) * D, D);
  });
  if (g_in) {
    const T* matrix = matrix_of(*this, arena);
    T* gx = numbers<T>(arena, right * n);
    gemm<T>({1, right, n, left}, {matrix, 0, 1, right}, {g, 0, n, 1}, 0, gx, 0, n);
    each_row(*this, z.d, [&](std::int64_t tensor, std::int64_t at) { add_to<T>({g_in + tensor, T(1)}, gx + at, k); });
  }
  arena.rewind(mark);
}

template struct HeadMix<float>;
template struct HeadMix<double>;

}  // namespace weft::transformer
