#include "weft/nfn/transformer/heads.h"

#include "weft/nfn/layer_kernels.h"

namespace weft::transformer {
namespace {

/// Networks [first, end) of [batch, channels, h, D, k] and the matrix [channels D, networks h k] of them: f(first
/// number of D rows in the tensor, k apart; in the matrix, its stride apart).
template <class T, class F>
void each_head(const HeadMix<T>& m, std::int64_t channels, std::int64_t first, std::int64_t end, std::int64_t stride,
               const F& f) {
  const Sizes& z = m.z;
  for (std::int64_t channel = 0; channel < channels; ++channel)
    for (std::int64_t net = first; net < end; ++net)
      for (std::int64_t i = 0; i < z.h; ++i)
        f(((net * channels + channel) * z.h + i) * z.D * m.k, channel * z.D * stride + ((net - first) * z.h + i) * m.k);
}

template <class T>
void columns_of(const HeadMix<T>& m, const T* from, std::int64_t channels, std::int64_t first, std::int64_t end,
                std::int64_t stride, T* to) {
  each_head(m, channels, first, end, stride, [&](std::int64_t tensor, std::int64_t matrix) {
    kernels<T>().copy_rows(from + tensor, m.k, m.z.D, m.k, to + matrix, stride, false);
  });
}

/// The way back, added to what stands there or in its place.
template <class T>
void put_back(const HeadMix<T>& m, const T* matrix, std::int64_t channels, std::int64_t first, std::int64_t end,
              std::int64_t stride, T* to, bool accumulate) {
  each_head(m, channels, first, end, stride, [&](std::int64_t tensor, std::int64_t at) {
    kernels<T>().copy_rows(matrix + at, stride, m.z.D, m.k, to + tensor, m.k, accumulate);
  });
}

}  // namespace

template <class T>
const T* HeadMix<T>::matrix(Arena& arena) const {
  const std::int64_t D = z.D;
  if (z.d == 1) return phi;
  T* to = numbers<T>(arena, z.e * z.d * D * D);
  parallel_blocks(z.e, copy_grain(z.d * D * D), [&](std::int64_t e0, std::int64_t e1) {
    for (std::int64_t e = e0; e < e1; ++e)
      for (std::int64_t c = 0; c < z.d; ++c)
        kernels<T>().copy_rows(phi + (e * z.d + c) * D * D, D, D, D, to + (e * D * z.d + c) * D, z.d * D, false);
  });
  return to;
}

template <class T>
void HeadMix<T>::forward(const T* matrix, std::int64_t net, T* out, T* scratch) const {
  const std::int64_t end = std::min(net + grain(), z.batch), n = columns(end - net), row = stride(grain()),
                     left = z.e * z.D, right = z.d * z.D;
  T *x = scratch, *y = scratch + right * row;
  columns_of(*this, in, z.d, net, end, row, x);
  product<T>({1, left, n, right}, {matrix, 0, right, 1}, {x, 0, row, 1}, 0, y, 0, row);
  put_back(*this, y, z.e, net, end, row, out, false);
}

template <class T>
void HeadMix<T>::vjp(const T* gy, const Grad<T>& g_phi, T* g_in, Arena& arena) const {
  const Arena::Mark mark = arena.mark();
  const std::int64_t D = z.D, left = z.e * D, right = z.d * D, n = columns(z.batch), row = stride(z.batch);
  T *x = numbers<T>(arena, right * row), *g = numbers<T>(arena, left * row);
  const std::int64_t share = copy_grain(z.e * z.h * D * k);
  auto each_share = [&](const auto& f) {
    parallel_blocks(z.batch, share, [&](std::int64_t first, std::int64_t end) { f(first, end, first * z.h * k); });
  };
  each_share([&](std::int64_t first, std::int64_t end, std::int64_t column) {
    columns_of(*this, in, z.d, first, end, row, x + column);
    columns_of(*this, gy, z.e, first, end, row, g + column);
  });
  T* g_matrix = z.d == 1 && g_phi.beta == T(0) ? g_phi.data : numbers<T>(arena, left * right);
  gemm<T>({1, left, right, n}, {g, 0, row, 1}, {x, 0, 1, row}, 0, g_matrix, 0, right);
  if (g_matrix != g_phi.data)
    parallel_blocks(z.e, copy_grain(z.d * D * D), [&](std::int64_t e0, std::int64_t e1) {
      for (std::int64_t e = e0; e < e1; ++e)
        for (std::int64_t c = 0; c < z.d; ++c)
          kernels<T>().copy_rows(g_matrix + (e * D * z.d + c) * D, z.d * D, D, D, g_phi.data + (e * z.d + c) * D * D, D,
                                 g_phi.beta != T(0));
    });
  if (g_in) {
    T* gx = numbers<T>(arena, right * row);
    gemm<T>({1, right, n, left}, {matrix(arena), 0, 1, right}, {g, 0, row, 1}, 0, gx, 0, row);
    each_share([&](std::int64_t first, std::int64_t end, std::int64_t column) {
      put_back(*this, gx + column, z.d, first, end, row, g_in, true);
    });
  }
  arena.rewind(mark);
}

template struct HeadMix<float>;
template struct HeadMix<double>;

}  // namespace weft::transformer
