#include "weft/nfn/graph/edge_schedule.h"

#include <algorithm>

#include "weft/nfn/graph/run.h"
#include "weft/ops/einsum.h"

namespace weft::graph {
namespace {

using schedule::Grad;
using schedule::numbers;

/// Matrices of channels by edges, of a piece or of the whole batch: [channels, columns], rows `stride` apart.
template <class T>
struct Edges {
  T* data;
  std::int64_t stride;
};
template <class T>
Edges<const T> read(const Edges<T>& x) {
  return {x.data, x.stride};
}

/// y = beta y + m x or, transposed, m^T x, m: [rows, columns].
template <class T>
void mix(Arena& arena, const T* m, std::int64_t rows, std::int64_t columns, bool transposed, Edges<const T> x,
         std::int64_t edges, T beta, Edges<T> y) {
  const std::int64_t out = transposed ? columns : rows, in = transposed ? rows : columns;
  weft::product<T>(arena, {1, out, edges, in}, {m, 0, transposed ? 1 : columns, transposed ? columns : 1},
                   {x.data, 0, x.stride, 1}, beta, y.data, 0, y.stride);
}

/// gradient = beta gradient + g x^T, [rows, columns].
template <class T>
void add_products(Arena& arena, std::int64_t rows, std::int64_t columns, std::int64_t edges, Edges<const T> g,
                  Edges<const T> x, const Grad<T>& to) {
  if (to.data)
    weft::product<T>(arena, {1, rows, columns, edges}, {g.data, 0, g.stride, 1}, {x.data, 0, 1, x.stride}, to.beta,
                     to.data, 0, columns);
}

/// f(piece, its products weight x) for all pieces; there is one even where the batch is empty, which gives zeros.
template <class T, class F>
void each_piece(Arena& arena, const EdgeOperands<T>& o, const F& f) {
  // A second level cache's worth. A device has no use for pieces but to bound its memory.
  const std::int64_t most = arena.backend() ? 1 << 28 : 1 << 18;
  const std::int64_t networks = std::clamp<std::int64_t>(most / std::max<std::int64_t>(1, o.e * o.plane()), 1,
                                                         std::max<std::int64_t>(1, o.batch));
  const Arena::Mark mark = arena.mark();
  T* const memory = numbers<T>(arena, networks * o.e * o.plane());
  for (std::int64_t first = 0; first == 0 || first < o.batch; first += networks) {
    const Piece z{first, std::min(networks, o.batch - first), o.batch, o.rows, o.columns};
    const std::int64_t edges = z.networks * o.plane();
    const Edges<T> products{memory, edges};
    mix<T>(arena, o.weight, o.e, o.d, false, {o.x + first * o.plane(), o.edges()}, edges, 0, products);
    f(z, products);
  }
  arena.rewind(mark);
}

/// The beta of what all pieces add to.
template <class T>
Grad<T> shared(const Grad<T>& to, const Piece& z) {
  return {to.data, z.first == 0 ? to.beta : T(1)};
}

template <class T>
EndGradients<T> ends_of(const EdgeGradients<T>& to) {
  return {to.of_columns.data, to.of_rows.data, to.of_columns.beta != T(0), to.of_rows.beta != T(0)};
}

/// From the cotangents g of a piece's products to the gradients of weight, x and norms.
template <class T>
void through_products(Arena& arena, const EdgeOperands<T>& o, const Piece& z, Edges<T> g, const T* gy, const T* shift,
                      const EdgeGradients<T>& to) {
  const std::int64_t edges = z.networks * o.plane(), at = z.first * o.plane();
  if (to.norms.data)
    run(arena.backend(), z.networks * z.rows, o.e * z.columns,
        NormGradient<T>{z, o.ends, o.e, o.d, g.data, gy, shift, to.norms.data, to.norms.beta != T(0)});
  add_products<T>(arena, o.e, o.d, edges, read(g), {o.x + at, o.edges()}, shared(to.weight, z));
  if (to.x.data) mix<T>(arena, o.weight, o.e, o.d, true, read(g), edges, to.x.beta, {to.x.data + at, o.edges()});
}

}  // namespace

template <class T>
void send_messages(Arena& arena, const EdgeOperands<T>& o, const Sending<T>& sending, T* y) {
  each_piece(arena, o, [&](const Piece& z, Edges<T> products) {
    run(arena.backend(), o.e * z.networks, o.plane(),
        Messages<T>{z, o.ends, products.data, sending.weight, sending.to_rows, y});
  });
}

template <class T>
void send_messages_vjp(Arena& arena, const EdgeOperands<T>& o, const Sending<T>& sending, const T* gy,
                       const EdgeGradients<T>& to, const Grad<T>& to_sending) {
  const std::int64_t senders = o.batch * (sending.to_rows ? o.columns : o.rows);
  T* const parts = to_sending.data ? numbers<T>(arena, o.e * senders) : nullptr;
  each_piece(arena, o, [&](const Piece& z, Edges<T> products) {
    run(arena.backend(), o.e * z.networks, 4 * o.plane(),
        MessagesVjp<T>{z, o.ends, products.data, sending.weight, sending.to_rows, gy, ends_of(to), parts});
    through_products<T>(arena, o, z, products, nullptr, nullptr, to);
  });
  if (!parts) return;
  const std::int64_t sizes[] = {o.e, senders};
  Labelled from, sum;
  from.data = parts, sum.data = to_sending.data;
  from.push_back(0, senders), from.push_back(1, 1), sum.push_back(1, 1);
  einsum<T>(arena, {&from, 1}, sum, senders, sizes, 1, to_sending.beta);
}

template <class T>
void update_edges(Arena& arena, const EdgeOperands<T>& o, const T* out, const T* shift, T* y) {
  run(arena.backend(), o.d * o.batch, o.plane(), Shifted<T>{o.batch, o.plane(), o.x, o.ends.norms, shift, y});
  each_piece(arena, o, [&](const Piece& z, Edges<T> products) {
    run(arena.backend(), o.e * z.networks, o.plane(), Hidden<T>{z, o.ends, products.data});
    mix<T>(arena, out, o.d, o.e, false, read(products), products.stride, 1, {y + z.first * o.plane(), o.edges()});
  });
}

template <class T>
void update_edges_vjp(Arena& arena, const EdgeOperands<T>& o, const T* out, const T* shift, const T* gy,
                      const Grad<T>& to_out, const Grad<T>& to_shift, const EdgeGradients<T>& to) {
  if (to_shift.data) {
    const std::int64_t sizes[] = {o.d, o.edges()};
    Labelled factors[2], sum;
    factors[0].data = const_cast<T*>(gy), factors[1].data = const_cast<T*>(o.ends.norms), sum.data = to_shift.data;
    factors[0].push_back(0, o.edges()), factors[0].push_back(1, 1), factors[1].push_back(1, 1), sum.push_back(0, 1);
    einsum<T>(arena, std::span<const Labelled>(factors, o.ends.norms ? 2 : 1), sum, o.d, sizes, 1, to_shift.beta);
  }
  if (to.x.data)  // the sum's own x
    run(arena.backend(), o.d * o.batch, o.plane(), AddPlanes<T>{o.plane(), gy, to.x.data, to.x.beta != T(0)});
  EdgeGradients<T> rest = to;
  rest.x.beta = 1;
  each_piece(arena, o, [&](const Piece& z, Edges<T> r) {
    const Edges<const T> own_gy{gy + z.first * o.plane(), o.edges()};
    run(arena.backend(), o.e * z.networks, o.plane(), Hidden<T>{z, o.ends, r.data});
    add_products<T>(arena, o.d, o.e, r.stride, own_gy, read(r), shared(to_out, z));
    const Arena::Mark mark = arena.mark();
    const Edges<T> g{numbers<T>(arena, o.e * r.stride), r.stride};
    mix<T>(arena, out, o.d, o.e, true, own_gy, r.stride, 0, g);
    run(arena.backend(), o.e * z.networks, 3 * o.plane(), HiddenVjp<T>{z, o.ends, r.data, g.data, ends_of(to)});
    through_products<T>(arena, o, z, g, gy, shift, rest);
    arena.rewind(mark);
  });
}

#define WEFT_INSTANTIATE(T)                                                                                    \
  template void send_messages(Arena&, const EdgeOperands<T>&, const Sending<T>&, T*);                          \
  template void send_messages_vjp(Arena&, const EdgeOperands<T>&, const Sending<T>&, const T*,                 \
                                  const EdgeGradients<T>&, const Grad<T>&);                                    \
  template void update_edges(Arena&, const EdgeOperands<T>&, const T*, const T*, T*);                          \
  template void update_edges_vjp(Arena&, const EdgeOperands<T>&, const T*, const T*, const T*, const Grad<T>&, \
                                 const Grad<T>&, const EdgeGradients<T>&);
WEFT_INSTANTIATE(float)
WEFT_INSTANTIATE(double)
#undef WEFT_INSTANTIATE

}  // namespace weft::graph
