#include "weft/ops/einsum.h"

#include <algorithm>
#include <array>
#include <bit>

#include "weft/ops/strided.h"

namespace weft {

void Labelled::push_back(int label, std::int64_t stride) {
  if (count == max_axes) throw ShapeError("[einsum] more than {} axes", max_axes);
  if (label < 0 || label >= einsum_labels) throw ShapeError("[einsum] more than {} labels", einsum_labels);
  labels[count] = label;
  strides[count++] = stride;
}

std::uint32_t Labelled::mask() const {
  std::uint32_t m = 0;
  for (int i = 0; i < count; ++i) m |= 1u << labels[i];
  return m;
}

std::int64_t Labelled::stride(int label) const {
  std::int64_t sum = 0;
  for (int i = 0; i < count; ++i)
    if (labels[i] == label) sum += strides[i];
  return sum;
}

Labelled labelled(const Tensor& t, std::span<const int> labels) {
  if (static_cast<int>(labels.size()) != t.rank())
    throw ShapeError("[einsum] {} labels for a tensor of shape {}", labels.size(), t.shape().str());
  Labelled v;
  v.data = t.raw();
  std::array<std::int64_t, Shape::max_rank> strides{};
  std::int64_t stride = 1;
  for (int i = t.rank() - 1; i >= 0; --i) {
    strides[static_cast<std::size_t>(i)] = stride;
    stride *= t.dim(i);
  }
  for (std::size_t i = 0; i < labels.size(); ++i) v.push_back(labels[i], strides[i]);
  return v;
}

namespace {

using Sizes = std::span<const std::int64_t>;

double volume(std::uint32_t mask, Sizes sizes) {
  double v = 1;
  for (; mask; mask &= mask - 1) v *= static_cast<double>(sizes[static_cast<std::size_t>(std::countr_zero(mask))]);
  return v;
}

std::int64_t extent(std::uint32_t mask, Sizes sizes) { return static_cast<std::int64_t>(volume(mask, sizes)); }

/// One axis per label (a repeated one's strides add up: the diagonal), without axes of size 1.
Labelled compact(const Labelled& v, Sizes sizes) {
  Labelled out;
  out.data = v.data;
  for (std::uint32_t mask = v.mask(), seen = 0, i = 0; static_cast<int>(i) < v.count; ++i) {
    const int label = v.labels[i];
    if ((seen >> label & 1u) || !(mask >> label & 1u) || sizes[static_cast<std::size_t>(label)] == 1) continue;
    seen |= 1u << label;
    out.push_back(label, v.stride(label));
  }
  return out;
}

/// Picks the pair whose contraction starts the cheapest order. Masks only: nothing is computed. `left` counts the
/// operands.
struct Order {
  Sizes sizes;
  std::uint32_t out;

  double best(std::uint32_t* masks, int left, int& first, int& second) const {
    if (left <= 1) return 0;
    double least = -1;
    for (int i = 0; i < left; ++i)
      for (int j = i + 1; j < left; ++j) {
        std::uint32_t rest[einsum_operands], keep = out;
        int n = 0;
        for (int k = 0; k < left; ++k)
          if (k != i && k != j) keep |= rest[n++] = masks[k];
        // What stands in one of them alone is summed first, without a multiplication.
        const std::uint32_t both = (masks[i] & (keep | masks[j])) | (masks[j] & (keep | masks[i]));
        rest[n++] = both & keep;
        double cost = volume(both, sizes);
        if (least >= 0 && cost >= least) continue;
        int a, b;
        // Every order is tried for up to five factors; beyond, the next product alone decides.
        if (left <= 5) cost += best(rest, n, a, b);
        if (least < 0 || cost < least) {
          least = cost;
          first = i;
          second = j;
        }
      }
    return least;
  }
};

Labelled dense(Arena& scratch, std::span<const int> order, Sizes sizes, std::size_t element) {
  Labelled v;
  std::int64_t stride = 1;
  for (auto label = order.rbegin(); label != order.rend(); ++label) {
    v.push_back(*label, stride);
    stride *= sizes[static_cast<std::size_t>(*label)];
  }
  std::reverse(v.labels, v.labels + v.count);
  std::reverse(v.strides, v.strides + v.count);
  v.data = scratch.allocate(static_cast<std::size_t>(stride) * element);
  return v;
}

/// Labels in a fixed order that all views run through with one stride each: the innermost such run; the rest goes to
/// `outer`.
struct Group {
  std::int64_t size = 1;
  std::int64_t stride[4] = {0, 0, 0, 0};
};

/// The views of a product: its factors, its result, and the bias, which has stride 0 along what it lacks.
using ProductViews = const Labelled* const (&)[4];

Group merge(std::span<const int> order, ProductViews views, Sizes sizes, std::uint32_t& outer) {
  Group g;
  bool open = true, first = true;
  for (auto label = order.rbegin(); label != order.rend(); ++label) {
    const std::int64_t n = sizes[static_cast<std::size_t>(*label)];
    bool fits = open;
    for (int v = 0; v < 4 && fits && !first; ++v) fits = views[v]->stride(*label) == g.stride[v] * g.size;
    if (!fits) {
      open = false;
      outer |= 1u << *label;
      continue;
    }
    if (first)
      for (int v = 0; v < 4; ++v) g.stride[v] = views[v]->stride(*label);
    first = false;
    g.size *= n;
  }
  return g;
}

/// Multiplications from which on several matrix products pay, and from which on packing for one does. A device starts
/// a dot product per number sooner than a second kernel.
struct Thresholds {
  double calls, packing;
};
Thresholds thresholds(const Arena& scratch) {
  return scratch.backend() ? Thresholds{4e6, 1e6} : Thresholds{20000, 4096};
}

/// out = beta out + Σ a b by matrix products; see direct_product. The views are compact.
template <class T>
bool matrix_product(Arena& scratch, const Labelled& a, const Labelled& b, const Labelled& out, Sizes sizes, T beta,
                    const ProductEnd& end) {
  const std::uint32_t ma = a.mask(), mb = b.mask(), mo = out.mask();
  if (((ma ^ mb) & ~mo) || (mo & ~(ma | mb))) return false;  // a sum within one factor, or a broadcast
  const std::uint32_t batch = ma & mb & mo, summed = ma & mb & ~mo;
  int order[Labelled::max_axes];
  auto labels = [&](const Labelled& v, std::uint32_t wanted) {
    return std::span<const int>(order, static_cast<std::size_t>(by_stride(v, wanted, order)));
  };
  const Labelled* const views[4] = {&a, &b, &out, &end.bias};
  std::uint32_t outer = 0, unmerged = 0;
  const Group n = merge(labels(out, mb & ~ma), views, sizes, outer);
  if (n.size > 1 && n.stride[2] != 1) return false;
  const Group m = merge(labels(out, ma & ~mb), views, sizes, outer);
  const Group g = merge(labels(out, batch), views, sizes, outer);
  const Group k = merge(labels(a, summed), views, sizes, unmerged);
  if (unmerged) return false;
  const std::int64_t calls = extent(outer, sizes);
  const double work = static_cast<double>(g.size * m.size * n.size) * static_cast<double>(k.size);
  // A few dot products: the CPU's are pairwise sums, which a long one needs.
  if (n.size * m.size < 4 && (!scratch.backend() || k.size < 64)) return false;
  // Labels that do not merge are looped over; not for crumbs, and not for the sake of a bias.
  if (calls > 1 && (work < thresholds(scratch).calls || end.bias.data)) return false;
  if (end.bias.data && ((m.size > 1 && m.stride[3] != 0) || (n.size > 1 && n.stride[3] != 1))) return false;
  const ProductEpilogue<T> epilogue{
      .bias = static_cast<const T*>(end.bias.data), .bias_batch_stride = g.stride[3], .activation = end.activation};

  Loops<3> loops;
  const int depth = by_stride(out, outer, order);
  for (int i = 0; i < depth; ++i)
    loops.push_back(sizes[static_cast<std::size_t>(order[i])],
                    {a.stride(order[i]), b.stride(order[i]), out.stride(order[i])});
  for (std::int64_t i = 0; i < calls; ++i) {
    std::int64_t at[3];
    offsets(loops, i, loops.depth, at);
    product<T>(scratch, {g.size, m.size, n.size, k.size},
               {static_cast<const T*>(a.data) + at[0], g.stride[0], m.stride[0], k.stride[0]},
               {static_cast<const T*>(b.data) + at[1], g.stride[1], k.stride[1], n.stride[1]}, beta,
               static_cast<T*>(out.data) + at[2], g.stride[2], m.size > 1 ? m.stride[2] : n.size, epilogue);
  }
  return true;
}

/// A dense copy whose axes stand in the given order.
template <class T>
Labelled packed(Arena& scratch, const Labelled& v, std::span<const int> order, Sizes sizes) {
  Labelled copy = dense(scratch, order, sizes, sizeof(T));
  strided_copy<T>(scratch.backend(), v, copy, sizes, 1, 0);
  return copy;
}

/// Sums `v` over every label outside `keep`.
template <class T>
Labelled reduced(Arena& scratch, const Labelled& v, std::uint32_t keep, Sizes sizes) {
  if (!(v.mask() & ~keep)) return v;
  int order[Labelled::max_axes];
  const int n = by_stride(v, keep, order);
  const Labelled out = dense(scratch, {order, static_cast<std::size_t>(n)}, sizes, sizeof(T));
  strided_dot<T>(scratch.backend(), v, Labelled{}, out, sizes);
  return out;
}

/// Contracts two factors; the result is dense in a layout that suits `target` (its axes in the target's order).
template <class T>
Labelled contract_pair(Arena& scratch, Labelled a, Labelled b, std::uint32_t keep, const Labelled& target,
                       Sizes sizes) {
  a = reduced<T>(scratch, a, keep | b.mask(), sizes);
  b = reduced<T>(scratch, b, keep | a.mask(), sizes);
  const std::uint32_t ma = a.mask(), mb = b.mask(), kept = (ma | mb) & keep;
  int wanted[Labelled::max_axes];
  int count = by_stride(target, kept, wanted);
  // The factor that owns the target's innermost label gives the columns; labels that the target lacks run before it has
  // its say.
  const int innermost = count ? wanted[count - 1] : -1;
  const bool swap = innermost >= 0 ? (ma >> innermost & 1u) && !(mb >> innermost & 1u)
                                   : extent(ma & ~mb, sizes) > extent(mb & ~ma, sizes);
  if (swap) std::swap(a, b);

  int order[Labelled::max_axes], n = 0;
  auto append = [&](std::uint32_t mask, const Labelled& first) {
    for (const Labelled* v : {&target, &first}) {
      int some[Labelled::max_axes];
      const int k = by_stride(*v, mask, some);
      for (int i = 0; i < k; ++i) order[n++] = some[i];
      mask &= ~v->mask();
    }
  };
  const std::uint32_t A = a.mask(), B = b.mask();
  append(A & B & keep, a);
  const int batch_end = n;
  append(A & ~B & keep, a);
  const int rows_end = n;
  append(B & ~A & keep, b);
  const Labelled out = dense(scratch, {order, static_cast<std::size_t>(n)}, sizes, sizeof(T));
  if (matrix_product<T>(scratch, a, b, out, sizes, 0, {})) return out;

  const double work = volume(A | B, sizes);
  if (extent(kept & ~(A & B), sizes) < 4 || work < thresholds(scratch).packing) {
    strided_dot<T>(scratch.backend(), a, b, out, sizes);
    return out;
  }
  // Pack both sides as [batch, rows, k] and [batch, k, columns].
  int left[Labelled::max_axes], right[Labelled::max_axes], k[Labelled::max_axes];
  const int sums = by_stride(a, A & B & ~keep, k);
  int l = 0, r = 0;
  for (int i = 0; i < batch_end; ++i) left[l++] = right[r++] = order[i];
  for (int i = batch_end; i < rows_end; ++i) left[l++] = order[i];
  for (int i = 0; i < sums; ++i) left[l++] = right[r++] = k[i];
  for (int i = rows_end; i < n; ++i) right[r++] = order[i];
  a = packed<T>(scratch, a, {left, static_cast<std::size_t>(l)}, sizes);
  b = packed<T>(scratch, b, {right, static_cast<std::size_t>(r)}, sizes);
  if (!matrix_product<T>(scratch, a, b, out, sizes, 0, {})) strided_dot<T>(scratch.backend(), a, b, out, sizes);
  return out;
}

}  // namespace

template <class T>
bool direct_product(Arena& scratch, const Labelled& a_, const Labelled& b_, const Labelled& out_, Sizes sizes, T beta,
                    const ProductEnd& given) {
  const Labelled a = compact(a_, sizes), b = compact(b_, sizes), out = compact(out_, sizes);
  const ProductEnd end{compact(given.bias, sizes), given.activation};
  int order[Labelled::max_axes];
  const int n = by_stride(out, ~0u, order);
  const bool columns_of_a = n > 0 && (a.mask() >> order[n - 1] & 1u) && !(b.mask() >> order[n - 1] & 1u);
  return columns_of_a ? matrix_product<T>(scratch, b, a, out, sizes, beta, end)
                      : matrix_product<T>(scratch, a, b, out, sizes, beta, end);
}

template bool direct_product(Arena&, const Labelled&, const Labelled&, const Labelled&, Sizes, float,
                             const ProductEnd&);
template bool direct_product(Arena&, const Labelled&, const Labelled&, const Labelled&, Sizes, double,
                             const ProductEnd&);

double einsum_cost(std::span<const Labelled> operands, const Labelled& out, Sizes sizes) {
  std::uint32_t masks[einsum_operands];
  int n = 0, a = 0, b = 0;
  for (const Labelled& v : operands) masks[n++] = v.mask();
  return n == 1 ? volume(masks[0] & out.mask(), sizes) : Order{sizes, out.mask()}.best(masks, n, a, b);
}

template <class T>
void einsum(Arena& scratch, std::span<const Labelled> operands, const Labelled& out_, std::int64_t out_elements,
            Sizes sizes, double scale, double beta) {
  if (operands.size() > static_cast<std::size_t>(einsum_operands))
    throw ShapeError("[einsum] more than {} factors", einsum_operands);
  const Labelled out = compact(out_, sizes);
  bool diagonal = false;
  for (int i = 0; i < out_.count; ++i)
    for (int j = 0; j < i; ++j) diagonal |= out_.labels[i] == out_.labels[j];
  if (diagonal && beta == 0) Tensor::view_of(out_.data, {out_elements}, dtype_of<T>, {}, scratch.backend()).fill(0);

  const Arena::Mark mark = scratch.mark();
  Labelled work[einsum_operands];
  std::uint32_t masks[einsum_operands];
  int n = 0;
  bool empty = false;
  for (const Labelled& v : operands) {
    work[n] = compact(v, sizes);
    for (int i = 0; i < work[n].count; ++i) empty |= sizes[static_cast<std::size_t>(work[n].labels[i])] == 0;
    ++n;
  }
  if (empty) {  // a sum of nothing
    work[0] = Labelled{};
    scale = 0;
    n = 1;
  }
  while (n > 1) {
    int i = 0, j = 1;
    for (int k = 0; k < n; ++k) masks[k] = work[k].mask();
    Order{sizes, out.mask()}.best(masks, n, i, j);
    std::uint32_t keep = out.mask();
    for (int k = 0; k < n; ++k)
      if (k != i && k != j) keep |= masks[k];
    work[i] = contract_pair<T>(scratch, work[i], work[j], keep, out, sizes);
    for (int k = j; k + 1 < n; ++k) work[k] = work[k + 1];
    --n;
  }
  strided_copy<T>(scratch.backend(), reduced<T>(scratch, work[0], out.mask(), sizes), out, sizes, scale, beta);
  scratch.rewind(mark);
}

template void einsum<float>(Arena&, std::span<const Labelled>, const Labelled&, std::int64_t, Sizes, double, double);
template void einsum<double>(Arena&, std::span<const Labelled>, const Labelled&, std::int64_t, Sizes, double, double);

}  // namespace weft
