#pragma once
// Loops over strided views: copies, sums, and pairs of factors that no matrix product fits. On the CPU, or on the
// device of `backend` where that is not null.

#include "weft/core/loop.h"
#include "weft/ops/einsum.h"
#include "weft/ops/strided_bodies.h"

namespace weft {

static_assert(Labelled::max_axes == Loops<1>::max_depth);

/// Labels of `v`, largest stride first: the order in which its memory runs.
inline int by_stride(const Labelled& v, std::uint32_t wanted, int (&order)[Labelled::max_axes]) {
  int n = 0;
  for (int i = 0; i < v.count; ++i) {
    if (!(wanted >> v.labels[i] & 1u)) continue;
    int at = n++;
    while (at > 0 && v.stride(order[at - 1]) < v.strides[i]) {
      order[at] = order[at - 1];
      --at;
    }
    order[at] = v.labels[i];
  }
  return n;
}

/// ScaledCopy in whole rows, which a CPU likes better than single numbers.
template <class T>
void copy_rows(const ScaledCopy<T>& copy) {
  const Loops<2>& loops = copy.loops;
  const int outer = loops.depth > 0 ? loops.depth - 1 : 0;
  const std::int64_t inner = loops.depth > 0 ? loops.size[outer] : 1;
  const std::int64_t rows = inner ? loops.count() / inner : 0;
  const std::int64_t si = loops.stride[outer][0], so = loops.stride[outer][1];
  static constexpr T one = 1;
  const T *x = copy.in ? copy.in : &one, s = copy.scale;
  T* y = copy.out;
  parallel_blocks(rows, 1 + 32768 / (inner + 1), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      std::int64_t at[2];
      offsets(loops, r, outer, at);
      const T* a = x + at[0];
      T* b = y + at[1];
      if (copy.accumulate)
        for (std::int64_t i = 0; i < inner; ++i) b[i * so] += s * a[i * si];
      else
        for (std::int64_t i = 0; i < inner; ++i) b[i * so] = s * a[i * si];
    }
  });
}

/// out = beta out + scale in; labels of `out` that `in` lacks are broadcast.
template <class T>
void strided_copy(Backend* backend, const Labelled& in, const Labelled& out, std::span<const std::int64_t> sizes,
                  double scale, double beta) {
  int order[Labelled::max_axes];
  const int n = by_stride(out, ~0u, order);
  ScaledCopy<T> copy{{}, static_cast<const T*>(in.data), static_cast<T*>(out.data), static_cast<T>(scale), beta != 0};
  for (int i = 0; i < n; ++i)
    copy.loops.push_back(sizes[static_cast<std::size_t>(order[i])], {in.stride(order[i]), out.stride(order[i])});
  if (backend)
    loop(backend, copy.loops.count(), 1, copy);
  else
    copy_rows(copy);
}

/// out = Σ a b over the labels that `out` lacks, one dot product per number of `out`. `b` may be the constant 1.
template <class T>
void strided_dot(Backend* backend, const Labelled& a, const Labelled& b, const Labelled& out,
                 std::span<const std::int64_t> sizes) {
  int order[Labelled::max_axes];
  StridedDot<T> dot{
      {}, {}, 0, 0, static_cast<const T*>(a.data), static_cast<const T*>(b.data), static_cast<T*>(out.data)};
  const int n = by_stride(out, ~0u, order);
  for (int i = 0; i < n; ++i)
    dot.kept.push_back(sizes[static_cast<std::size_t>(order[i])],
                       {a.stride(order[i]), b.stride(order[i]), out.stride(order[i])});
  int sums = by_stride(a, ~out.mask(), order);
  for (int i = 0; i < sums; ++i)
    dot.summed.push_back(sizes[static_cast<std::size_t>(order[i])], {a.stride(order[i]), b.stride(order[i])});
  sums = by_stride(b, ~(out.mask() | a.mask()), order);
  for (int i = 0; i < sums; ++i)
    dot.summed.push_back(sizes[static_cast<std::size_t>(order[i])], {0, b.stride(order[i])});
  const int innermost = dot.summed.depth > 0 ? dot.summed.depth - 1 : 0;
  dot.inner = dot.summed.depth > 0 ? dot.summed.size[innermost] : 1;
  dot.rows = dot.inner ? dot.summed.count() / dot.inner : 0;
  const std::int64_t outputs = dot.kept.count(), length = dot.rows * dot.inner;
  // On a device a team per number pays where single threads would be too few, or would read far apart.
  const bool teams = backend && length >= 32 && (outputs < 16384 || dot.summed.stride[innermost][0] == 1);
  if (!teams) return loop(backend, outputs, 1 + 32768 / (length + 1), dot);
  Arena none;  // of the host: a device has its own
  if (length >= 4096)
    team_loop(backend, none, outputs, 1, TeamStridedDot<T, 256>{dot});
  else
    team_loop(backend, none, outputs, 1, TeamStridedDot<T, 32>{dot});
}

}  // namespace weft
