#include "weft/nfn/magep/schedule.h"

#include <algorithm>

namespace weft::magep {

template <class T>
std::int64_t Schedule<T>::tile_rows(int i) const {
  constexpr std::int64_t bytes = 64 * 1024;
  const std::int64_t row = 2 * this->z.d * this->z.width(i - 1) * static_cast<std::int64_t>(sizeof(T));
  return std::clamp<std::int64_t>(bytes / row, 1, this->z.width(i));
}

template <class T>
void form_tile(const Schedule<T>& s, int i, std::int64_t net, std::int64_t j0, std::int64_t rows, T* tile) {
  const Sizes& z = s.z;
  const std::int64_t n = z.width(i), k = z.width(i - 1), n0 = z.n0(), size = rows * k;
  const T* R = s.R(i, net);
  product<T>({z.d, rows, k, n0}, {s.stack(i, net, 0) + j0, n0 * n, 1, n}, {R, k, z.d * k, 1}, 0, tile, size, k);
  product<T>({z.d, rows, k, 1}, {s.stack_b(i, net) + j0, n, 1, 1}, {R + n0 * z.d * k, k, k, 1}, 0, tile + z.d * size,
             size, k);
}

template <class T>
void chain_input(const Schedule<T>& s, int i, std::int64_t net, T* to) {
  const Sizes& z = s.z;
  const std::int64_t n = z.width(i - 1), n0 = z.n0();
  const T *P = s.stack(i - 1, net, 0), *b = s.b(i - 1, net);
  for (std::int64_t c = 0; c < z.d; ++c, to += (n0 + 1) * n) {
    std::copy_n(P + c * n0 * n, n0 * n, to);
    T* last = to + n0 * n;
    std::copy_n(b + c * n, n, last);
    if (i == 2) continue;
    const T* B = s.stack_Wb(i - 1, net) + c * n;
    for (std::int64_t j = 0; j < n; ++j) last[j] += B[j];
  }
}

#define WEFT_INSTANTIATE(T)                                                                       \
  template struct Schedule<T>;                                                                    \
  template void form_tile(const Schedule<T>&, int, std::int64_t, std::int64_t, std::int64_t, T*); \
  template void chain_input(const Schedule<T>&, int, std::int64_t, T*);
WEFT_INSTANTIATE(float)
WEFT_INSTANTIATE(double)
#undef WEFT_INSTANTIATE

}  // namespace weft::magep
