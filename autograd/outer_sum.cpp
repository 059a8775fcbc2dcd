#include "weft/autograd/outer_sum.h"

#include <algorithm>

#include "weft/autograd/outer_bodies.h"
#include "weft/core/gemm.h"
#include "weft/core/loop.h"

namespace weft {

std::int64_t outer_grain(const OuterSum& sum) {
  if (sum.columns == 0 || sum.columns >= outer_block) return outer_block;
  return outer_block / sum.columns * sum.columns;
}

template <class T>
void form(const OuterSum& sum, std::int64_t begin, std::int64_t end, T beta, T* to) {
  const auto *left = static_cast<const T*>(sum.left.data), *right = static_cast<const T*>(sum.right.data);
  while (begin < end) {
    // Whole rows of one matrix, or a piece of one row.
    const std::int64_t column = begin % sum.columns, line = begin / sum.columns, row = line % sum.rows,
                       item = line / sum.rows, i = item / sum.n2, j = item % sum.n2;
    const std::int64_t whole = column == 0 ? std::min((end - begin) / sum.columns, sum.rows - row) : 0;
    const std::int64_t rows = std::max<std::int64_t>(whole, 1),
                       columns = whole > 0 ? sum.columns : std::min(sum.columns - column, end - begin);
    gemm_serial<T>(
        {1, rows, columns, sum.rank}, {left + i * sum.left.first + j * sum.left.second + row, 0, 1, sum.left.stride},
        {right + i * sum.right.first + j * sum.right.second + column, 0, sum.right.stride, 1}, beta, to, 0, columns);
    begin += rows * columns;
    to += rows * columns;
  }
}

template <class T>
void form(const OuterGradient& gradient, std::int64_t begin, std::int64_t end, T* to) {
  if (!gradient.sums) std::fill_n(to, end - begin, T(0));
  for (const OuterSum* sum = gradient.sums; sum; sum = sum->next)
    form<T>(*sum, begin, end, T(sum == gradient.sums ? 0 : 1), to);
}

void form_all(const OuterGradient& gradient, const Tensor& to) {
  if (!gradient.sums) return to.fill(0);
  for (const OuterSum* sum = gradient.sums; sum; sum = sum->next) form_all(*sum, sum == gradient.sums ? 0 : 1, to);
}

void form_all(const OuterSum& sum, double beta, const Tensor& to) {
  with_float(sum.dtype, "outer_sum", [&](auto tag) {
    using T = decltype(tag);
    T* data = to.address<T>();
    if (Backend* device = to.backend()) {
      const auto side = [](const OuterSum::Side& s) {
        return typename FormOuter<T>::Side{static_cast<const T*>(s.data), s.stride, s.first, s.second};
      };
      return loop(
          device, sum.numel(), 1,
          FormOuter<T>{sum.n2, sum.rows, sum.columns, sum.rank, side(sum.left), side(sum.right), data, beta != 0});
    }
    parallel_blocks(sum.numel(), outer_grain(sum), [&](std::int64_t begin, std::int64_t end) {
      form<T>(sum, begin, end, static_cast<T>(beta), data + begin);
    });
  });
}

#define WEFT_INSTANTIATE(T)                                               \
  template void form(const OuterSum&, std::int64_t, std::int64_t, T, T*); \
  template void form(const OuterGradient&, std::int64_t, std::int64_t, T*);
WEFT_INSTANTIATE(float)
WEFT_INSTANTIATE(double)
#undef WEFT_INSTANTIATE

}  // namespace weft
