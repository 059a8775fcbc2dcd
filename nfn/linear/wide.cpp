// Plain products with many values of the fixed indices, as at the ends of a wide dense network: one product per term
// for the whole batch, [(e, r), (d, q)] by [(d, q), (network, c)], on operands that are laid out for it.

#include "weft/nfn/linear/schedule.h"

namespace weft::linear {
namespace {

/// Sizes of one piece's product.
template <class T>
struct Product {
  const Piece& p;
  const Arrangement& a;
  std::int64_t batch, e, d;

  Product(const PiecesCall<T>& call, const Piece& piece)
      : p(piece),
        a(call.pieces->arrangements[static_cast<std::size_t>(piece.arrangement)]),
        batch(call.batch),
        e(call.out[piece.target].channels),
        d(call.d(piece.feature)) {}
  std::int64_t rows() const { return e * p.added; }
  std::int64_t inner() const { return d * p.contracted; }
  std::int64_t columns() const { return batch * p.columns; }
};

/// f(position in the batch, position in the matrix) for the matrix [(channel, v), (network, c)] of a tensor of `size`
/// numbers a channel, whose entry (v, c) stands at `at`.
template <class F>
void each_entry(std::int64_t batch, std::int64_t channels, std::int64_t size, const std::vector<std::int64_t>& at,
                std::int64_t columns, const F& f) {
  const std::int64_t values = static_cast<std::int64_t>(at.size()) / std::max<std::int64_t>(columns, 1);
  auto one = [&](std::int64_t channel) {
    for (std::int64_t v = 0; v < values; ++v)
      for (std::int64_t net = 0; net < batch; ++net) {
        const std::int64_t from = (net * channels + channel) * size,
                           to = ((channel * values + v) * batch + net) * columns;
        for (std::int64_t c = 0; c < columns; ++c) f(from + at[static_cast<std::size_t>(v * columns + c)], to + c);
      }
  };
  parallel_blocks(channels, copy_grain(values * batch * columns), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t channel = begin; channel < end; ++channel) one(channel);
  });
}

/// f(position in phi, position in the matrix [(e, r), (d, q)]), a row e at a time.
template <class T, class F>
void each_phi(const Product<T>& s, const F& f) {
  const Piece& p = s.p;
  auto one = [&](std::int64_t e) {
    for (std::int64_t d = 0; d < s.d; ++d)
      for (std::int64_t q = 0; q < p.contracted; ++q)
        for (std::int64_t r = 0; r < p.added; ++r)
          f((e * s.d + d) * p.phi_size + p.phi_at[static_cast<std::size_t>(q * p.added + r)],
            (e * p.added + r) * s.inner() + d * p.contracted + q);
  };
  parallel_blocks(s.e, copy_grain(s.d * p.phi_size), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t e = begin; e < end; ++e) one(e);
  });
}

template <class T>
const T* phi_matrix(const PiecesCall<T>& call, const Product<T>& s, Arena& arena) {
  T* matrix = numbers<T>(arena, s.rows() * s.inner());
  const T* phi = call.phi[s.p.parameter];
  each_phi(s, [=](std::int64_t from, std::int64_t to) { matrix[to] = phi[from]; });
  return matrix;
}

/// All networks' feature as the layer reads it.
template <class T>
const T* read(const PiecesCall<T>& call, int f, Arena& arena) {
  const Batch<const T>& x = call.in[f];
  if (!call.reading.changes()) return x.at(0);
  T* copy = numbers<T>(arena, call.batch * x.channels * x.size);
  parallel_blocks(call.batch, 1, [&](std::int64_t net, std::int64_t) {
    call.reading.forward(x.at(net), copy + net * x.channels * x.size, x.channels, x.size, call.mask_of(f, net));
  });
  return copy;
}

template <class T>
const T* feature_matrix(const PiecesCall<T>& call, const Product<T>& s, const T* x, Arena& arena) {
  T* matrix = numbers<T>(arena, s.inner() * s.columns());
  each_entry(call.batch, s.d, call.in[s.a.feature].size, s.a.from, s.a.columns,
             [=](std::int64_t from, std::int64_t to) { matrix[to] = x[from]; });
  return matrix;
}

}  // namespace

template <class T>
void forward_wide(PiecesCall<T>& call, Arena& arena) {
  for (int t = 0; t < call.targets; ++t)
    if (!call.pieces->written[static_cast<std::size_t>(t)])
      std::fill_n(call.out[t].at(0), call.batch * call.out[t].channels * call.out[t].size, T(0));
  for (const Piece& p : call.pieces->pieces) {
    const Arena::Mark mark = arena.mark();
    const Product<T> s(call, p);
    const T *phi = phi_matrix(call, s, arena), *x = feature_matrix(call, s, read(call, p.feature, arena), arena);
    T *y = numbers<T>(arena, s.rows() * s.columns()), *out = call.out[p.target].at(0);
    gemm<T>({1, s.rows(), s.columns(), s.inner()}, {phi, 0, s.inner(), 1}, {x, 0, s.columns(), 1}, 0, y, 0,
            s.columns());
    const bool first = p.first;
    each_entry(call.batch, s.e, call.out[p.target].size, p.out_at, p.columns,
               [=](std::int64_t to, std::int64_t from) { out[to] = first ? y[from] : out[to] + y[from]; });
    arena.rewind(mark);
  }
  for (const Constant& constant : call.pieces->constants) {
    const Batch<T>& to = call.out[constant.target];
    for (std::int64_t net = 0; net < call.batch; ++net) {
      const T* phi = call.phi[constant.parameter];
      for (std::int64_t e = 0; e < to.channels; ++e)
        for (std::int64_t at : constant.out_at) to.at(net)[e * to.size + at] += *phi++;
    }
  }
}

template <class T>
void vjp_wide(const PiecesCall<T>& call, const CallGradients<T>& g, Arena& arena) {
  // Gradients of features as read; activation and masks follow at the end.
  T** gx = numbers<T*>(arena, call.features);
  for (int f = 0; g.x && f < call.features; ++f) {
    const std::int64_t all = call.batch * call.in[f].channels * call.in[f].size;
    std::fill_n(gx[f] = numbers<T>(arena, all), all, T(0));
  }
  for (const Piece& p : call.pieces->pieces) {
    const Arena::Mark mark = arena.mark();
    const Product<T> s(call, p);
    const std::int64_t n = s.columns();
    const T* x = feature_matrix(call, s, read(call, p.feature, arena), arena);
    T *gy = numbers<T>(arena, s.rows() * n), *g_phi = numbers<T>(arena, s.rows() * s.inner());
    const T* from_y = g.y[p.target].at(0);
    each_entry(call.batch, s.e, call.out[p.target].size, p.out_at, p.columns,
               [=](std::int64_t from, std::int64_t to) { gy[to] = from_y[from]; });
    gemm<T>({1, s.rows(), s.inner(), n}, {gy, 0, n, 1}, {x, 0, 1, n}, 0, g_phi, 0, s.inner());
    const Grad<T> to = g.phi[p.parameter];
    each_phi(s, [=](std::int64_t at, std::int64_t from) {
      to.data[at] = to.beta == T(0) ? g_phi[from] : to.data[at] + g_phi[from];
    });
    if (g.x) {
      T *back = numbers<T>(arena, s.inner() * n), *sum = gx[p.feature];
      gemm<T>({1, s.inner(), n, s.rows()}, {phi_matrix(call, s, arena), 0, 1, s.inner()}, {gy, 0, n, 1}, 0, back, 0, n);
      each_entry(call.batch, s.d, call.in[p.feature].size, s.a.from, s.a.columns,
                 [=](std::int64_t at, std::int64_t from) { sum[at] += back[from]; });
    }
    arena.rewind(mark);
  }
  for (const Constant& constant : call.pieces->constants) {
    const Batch<const T>& y = g.y[constant.target];
    const Grad<T>& to = g.phi[constant.parameter];
    T* sum = to.data;
    for (std::int64_t e = 0; e < y.channels; ++e)
      for (std::int64_t at : constant.out_at) {
        T all = to.beta == T(0) ? T(0) : *sum;
        for (std::int64_t net = 0; net < call.batch; ++net) all += y.at(net)[e * y.size + at];
        *sum++ = all;
      }
  }
  for (int f = 0; g.x && f < call.features; ++f) {
    const Batch<const T>& x = call.in[f];
    T* scratch = numbers<T>(arena, x.size * threads());
    parallel_workers(call.batch, 1, [&](std::int64_t net, std::int64_t, int worker) {
      call.reading.vjp(x.at(net), gx[f] + net * x.channels * x.size, x.channels, x.size, call.mask_of(f, net),
                       {g.x[f].at(net), g.x_beta[f]}, scratch + worker * x.size);
    });
  }
}

#define WEFT_INSTANTIATE(T)                           \
  template void forward_wide(PiecesCall<T>&, Arena&); \
  template void vjp_wide(const PiecesCall<T>&, const CallGradients<T>&, Arena&);
WEFT_INSTANTIATE(float)
WEFT_INSTANTIATE(double)
#undef WEFT_INSTANTIATE

}  // namespace weft::linear
