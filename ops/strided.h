#pragma once
// Loops over strided views: copies, sums, and pairs of factors that no matrix product fits.

#include "weft/core/parallel.h"
#include "weft/ops/einsum.h"

namespace weft {

/// A nest of loops over some labels, slowest first, with one stride per view.
template <int Views>
struct Loops {
  int depth = 0;
  std::int64_t size[Labelled::max_axes] = {};
  std::int64_t stride[Labelled::max_axes][Views] = {};

  void push_back(std::int64_t n, const std::int64_t (&strides)[Views]) {
    // Neighbours that run on as one loop become one.
    if (depth > 0) {
      bool merges = true;
      for (int v = 0; v < Views; ++v) merges &= stride[depth - 1][v] == strides[v] * n;
      if (merges) {
        size[depth - 1] *= n;
        for (int v = 0; v < Views; ++v) stride[depth - 1][v] = strides[v];
        return;
      }
    }
    size[depth] = n;
    for (int v = 0; v < Views; ++v) stride[depth][v] = strides[v];
    ++depth;
  }
  std::int64_t count() const {
    std::int64_t n = 1;
    for (int i = 0; i < depth; ++i) n *= size[i];
    return n;
  }
  /// Offsets of iteration `i` of the first `levels` loops.
  void offsets(std::int64_t i, int levels, std::int64_t (&at)[Views]) const {
    for (int v = 0; v < Views; ++v) at[v] = 0;
    for (int l = levels - 1; l >= 0; --l) {
      const std::int64_t k = i % size[l];
      i /= size[l];
      for (int v = 0; v < Views; ++v) at[v] += k * stride[l][v];
    }
  }
};

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

/// out = beta out + scale in; labels of `out` that `in` lacks are broadcast.
template <class T>
void strided_copy(const Labelled& in, const Labelled& out, std::span<const std::int64_t> sizes, double scale,
                  double beta) {
  int order[Labelled::max_axes];
  const int n = by_stride(out, ~0u, order);
  Loops<2> loops;
  for (int i = 0; i < n; ++i)
    loops.push_back(sizes[static_cast<std::size_t>(order[i])], {in.stride(order[i]), out.stride(order[i])});
  const int outer = loops.depth > 0 ? loops.depth - 1 : 0;
  const std::int64_t inner = loops.depth > 0 ? loops.size[outer] : 1;
  const std::int64_t rows = inner ? loops.count() / inner : 0;
  const std::int64_t si = loops.depth > 0 ? loops.stride[outer][0] : 0,
                     so = loops.depth > 0 ? loops.stride[outer][1] : 0;
  const T *x = static_cast<const T*>(in.data), s = static_cast<T>(scale);
  T* y = static_cast<T*>(out.data);
  parallel_blocks(rows, 1 + 32768 / (inner + 1), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      std::int64_t at[2];
      loops.offsets(r, outer, at);
      const T* a = x + at[0];
      T* b = y + at[1];
      if (beta != 0)
        for (std::int64_t i = 0; i < inner; ++i) b[i * so] += s * a[i * si];
      else
        for (std::int64_t i = 0; i < inner; ++i) b[i * so] = s * a[i * si];
    }
  });
}

/// out = Σ a b over the labels that `out` lacks, one dot product per number of `out`. `b` may have no axes (a plain
/// factor).
template <class T>
void strided_dot(const Labelled& a, const Labelled& b, const Labelled& out, std::span<const std::int64_t> sizes) {
  int order[Labelled::max_axes];
  Loops<3> kept;
  Loops<2> summed;
  const int n = by_stride(out, ~0u, order);
  for (int i = 0; i < n; ++i)
    kept.push_back(sizes[static_cast<std::size_t>(order[i])],
                   {a.stride(order[i]), b.stride(order[i]), out.stride(order[i])});
  int sums = by_stride(a, ~out.mask(), order);
  for (int i = 0; i < sums; ++i)
    summed.push_back(sizes[static_cast<std::size_t>(order[i])], {a.stride(order[i]), b.stride(order[i])});
  sums = by_stride(b, ~(out.mask() | a.mask()), order);
  for (int i = 0; i < sums; ++i) summed.push_back(sizes[static_cast<std::size_t>(order[i])], {0, b.stride(order[i])});
  const int outer = summed.depth > 0 ? summed.depth - 1 : 0;
  const std::int64_t inner = summed.depth > 0 ? summed.size[outer] : 1;
  const std::int64_t rows = inner ? summed.count() / inner : 0;
  const std::int64_t sa = summed.depth > 0 ? summed.stride[outer][0] : 0,
                     sb = summed.depth > 0 ? summed.stride[outer][1] : 0;
  const T *x = static_cast<const T*>(a.data), *w = static_cast<const T*>(b.data);
  T* y = static_cast<T*>(out.data);
  parallel_blocks(kept.count(), 1 + 32768 / (inner * rows + 1), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t o = begin; o < end; ++o) {
      std::int64_t at[3], in[2];
      kept.offsets(o, kept.depth, at);
      T sum = 0;
      for (std::int64_t r = 0; r < rows; ++r) {
        summed.offsets(r, outer, in);
        const T *p = x + at[0] + in[0], *q = w + at[1] + in[1];
        for (std::int64_t i = 0; i < inner; ++i) sum += p[i * sa] * q[i * sb];
      }
      y[at[2]] = sum;
    }
  });
}

}  // namespace weft
