#include "weft/nfn/linear/schedule.h"

#include "weft/nfn/layer_kernels.h"
#include "weft/nfn/linear/interpolation.h"

namespace weft::linear {
namespace {

/// Columns of a tile: of Fourier features as many as stay in the second cache, of features in memory all.
template <class T>
std::int64_t tile_columns(const PiecesCall<T>& call, const Arrangement& a) {
  constexpr std::int64_t bytes = 128 * 1024;
  if (!call.frequencies) return a.columns;
  const std::int64_t row = call.d(a.feature) * static_cast<std::int64_t>(sizeof(T));
  return std::clamp<std::int64_t>(bytes / row / 16 * 16, 16, padded(a.columns));
}

/// Features [d, columns] for the contracted value q, from column c0 on.
template <class T>
struct Tile {
  const T* data;
  std::int64_t stride;
};
template <class T>
Tile<T> tile(const PiecesCall<T>& call, const Arrangement& a, const T* const* features, std::int64_t q, std::int64_t c0,
             std::int64_t columns, T* memory, T* entries) {
  const Batch<const T>& x = call.in[a.feature];
  const T* from = features[a.feature];
  const std::int64_t* at = a.from.data() + q * a.columns + c0;
  if (call.frequencies) {
    for (std::int64_t c = 0; c < columns; ++c) entries[c] = from[at[c]];
    kernels<T>().fourier(entries, columns, call.frequencies, call.m, call.sines, memory);
    return {memory, columns};
  }
  if (a.straight) return {from + q * a.columns + c0, x.size};
  for (std::int64_t r = 0; r < x.channels; ++r)
    for (std::int64_t c = 0; c < columns; ++c) memory[r * columns + c] = from[r * x.size + at[c]];
  return {memory, columns};
}

/// One worker's scratch: the features of one network as they are read, and tiles.
template <class T>
struct Memory {
  std::int64_t tile = 0, entries = 0, result = 0, features = 0, size = 0;
  explicit Memory(const PiecesCall<T>& call) {
    for (const Arrangement& a : call.pieces->arrangements) {
      const std::int64_t columns = std::min(tile_columns(call, a), a.columns);
      entries = std::max(entries, columns);
      tile = std::max(tile, call.d(a.feature) * columns);
      for (const Piece& p : call.pieces->pieces) result = std::max(result, call.out[p.target].channels * columns);
    }
    for (int f = 0; f < call.features; ++f) {
      entries = std::max(entries, call.in[f].size);
      if (call.reading.changes()) features += padded(call.in[f].channels * call.in[f].size);
    }
    size = 2 * padded(tile) + padded(entries) + padded(result) + 2 * features;
  }
};

/// The features of one network as the layer reads them.
template <class T>
void read(const PiecesCall<T>& call, std::int64_t net, Carve<T>& scratch, const T** features) {
  for (int f = 0; f < call.features; ++f) {
    const Batch<const T>& x = call.in[f];
    features[f] = x.at(net);
    if (!call.reading.changes()) continue;
    T* copy = scratch.take(x.channels * x.size);
    call.reading.forward(x.at(net), copy, x.channels, x.size, call.mask_of(f, net));
    features[f] = copy;
  }
}

template <class T>
bool interpolated(const PiecesCall<T>& call, const Piece& p) {
  return interpolates<T> && call.nodes && call.nodes[p.arrangement].count > 0;
}

/// body(piece, its number, its nodes) for those that are interpolated.
template <class T, class Body>
void each_interpolated(const PiecesCall<T>& call, const Body& body) {
  const auto& pieces = call.pieces->pieces;
  for (std::size_t k = 0; k < pieces.size(); ++k)
    if (interpolated(call, pieces[k])) body(pieces[k], k, call.nodes[pieces[k].arrangement]);
}

/// body(arrangement's number, q, c0, columns, first piece, end of its pieces)
template <class T, class Body>
void each_tile(const PiecesCall<T>& call, const Body& body) {
  const auto& pieces = call.pieces->pieces;
  std::size_t begin = 0;
  while (begin < pieces.size()) {
    const int number = pieces[begin].arrangement;
    std::size_t end = begin;
    while (end < pieces.size() && pieces[end].arrangement == number) ++end;
    const Arrangement& a = call.pieces->arrangements[static_cast<std::size_t>(number)];
    if (interpolated(call, pieces[begin])) {
      begin = end;
      continue;
    }
    const std::int64_t step = tile_columns(call, a);
    for (std::int64_t q = 0; q < a.contracted; ++q)
      for (std::int64_t c0 = 0; c0 < a.columns; c0 += step)
        body(a, q, c0, std::min(step, a.columns - c0), &pieces[begin], &pieces[end - 1] + 1);
    begin = end;
  }
}

template <class T>
GemmOperand<T> phi_matrix(const PiecesCall<T>& call, const Piece& p, std::int64_t q, std::int64_t r) {
  const T* phi = call.phi[p.parameter] + p.phi_at[static_cast<std::size_t>(q * p.added + r)];
  return {phi, 0, call.d(p.feature) * p.phi_size, p.phi_size};
}

template <class T>
void network(const PiecesCall<T>& call, std::int64_t net, const T** x_of, const Memory<T>& sizes, T* memory) {
  Carve<T> scratch{memory};
  read(call, net, scratch, x_of);
  T *features = scratch.take(sizes.tile), *entries = scratch.take(sizes.entries), *result = scratch.take(sizes.result);
  for (int t = 0; t < call.targets; ++t)
    if (!call.pieces->written[static_cast<std::size_t>(t)])
      std::fill_n(call.out[t].at(net), call.out[t].channels * call.out[t].size, T(0));
  // They are the first of their targets, to which others add.
  if constexpr (interpolates<T>)
    each_interpolated(call, [&](const Piece& p, std::size_t k, const Nodes& nodes) {
      const Batch<T>& to = call.out[p.target];
      interpolation().values(nodes.grid, x_of[p.feature], p.columns, call.values[k], nodes.row(to.channels),
                             to.channels, to.at(net) + p.out_at[0], to.size);
    });
  each_tile(call, [&](const Arrangement& a, std::int64_t q, std::int64_t c0, std::int64_t columns, const Piece* begin,
                      const Piece* end) {
    const Tile<T> x = tile(call, a, x_of, q, c0, columns, features, entries);
    const std::int64_t d = call.d(a.feature);
    for (const Piece* p = begin; p != end; ++p) {
      const Batch<T>& to = call.out[p->target];
      const T beta = p->first && q == 0 ? T(0) : T(1);
      for (std::int64_t r = 0; r < p->added; ++r) {
        const std::int64_t* at = p->out_at.data() + r * p->columns + c0;
        const GemmShape shape{1, to.channels, columns, d};
        if (p->straight) {
          product<T>(shape, phi_matrix(call, *p, q, r), {x.data, 0, x.stride, 1}, beta, to.at(net) + at[0], 0, to.size);
          continue;
        }
        product<T>(shape, phi_matrix(call, *p, q, r), {x.data, 0, x.stride, 1}, 0, result, 0, columns);
        T* y = to.at(net);
        for (std::int64_t e = 0; e < to.channels; ++e)
          for (std::int64_t c = 0; c < columns; ++c) {
            T& entry = y[e * to.size + at[c]];
            entry = result[e * columns + c] + (beta == T(0) ? T(0) : entry);
          }
      }
    }
  });
  for (const Constant& constant : call.pieces->constants) {
    const Batch<T>& to = call.out[constant.target];
    const T* phi = call.phi[constant.parameter];
    for (std::int64_t e = 0; e < to.channels; ++e)
      for (std::int64_t at : constant.out_at) to.at(net)[e * to.size + at] += *phi++;
  }
}

template <class T>
bool has_pieces(const PiecesCall<T>& call, int feature) {
  return std::ranges::any_of(call.pieces->arrangements, [=](const Arrangement& a) { return a.feature == feature; });
}

/// The gradient of one phi in a block's sums: [q, r, e, d], or [e, r] of a constant.
struct Place {
  std::int64_t offset, size;
};

template <class T>
void network_vjp(const PiecesCall<T>& call, const CallGradients<T>& g, std::int64_t net, T* block, const Place* pieces,
                 const Place* constants, const T** x_of, T** gx_of, const Memory<T>& sizes, T* memory) {
  Carve<T> scratch{memory};
  read(call, net, scratch, x_of);
  // Cotangents of features as read are collected in scratch memory, then taken through activation and masks.
  const bool collects = g.x && call.reading.changes();
  for (int f = 0; g.x && f < call.features; ++f)
    gx_of[f] = collects ? scratch.take(call.in[f].channels * call.in[f].size) : g.x[f].at(net);
  T *features = scratch.take(sizes.tile), *entries = scratch.take(sizes.entries), *result = scratch.take(sizes.result),
    *gx = scratch.take(sizes.tile);
  each_tile(call, [&](const Arrangement& a, std::int64_t q, std::int64_t c0, std::int64_t columns, const Piece* begin,
                      const Piece* end) {
    const Tile<T> x = tile(call, a, x_of, q, c0, columns, features, entries);
    const std::int64_t d = call.d(a.feature);
    T gx_beta = 0;
    for (const Piece* p = begin; p != end; ++p) {
      const Batch<T>& y = call.out[p->target];
      const std::int64_t e = y.channels;
      const Place& place = pieces[p - call.pieces->pieces.data()];
      for (std::int64_t r = 0; r < p->added; ++r) {
        const std::int64_t* at = p->out_at.data() + r * p->columns + c0;
        GemmOperand<T> gz{g.y[p->target].at(net) + at[0], 0, y.size, 1};
        if (!p->straight) {
          for (std::int64_t i = 0; i < e; ++i)
            for (std::int64_t c = 0; c < columns; ++c)
              result[i * columns + c] = g.y[p->target].at(net)[i * y.size + at[c]];
          gz = {result, 0, columns, 1};
        }
        product<T>({1, e, d, columns}, gz, {x.data, 0, 1, x.stride}, 1,
                   block + place.offset + (q * p->added + r) * e * d, 0, d);
        if (!g.x) continue;
        const GemmOperand<T> phi = phi_matrix(call, *p, q, r);
        product<T>({1, d, columns, e}, {phi.data, 0, phi.column_stride, phi.row_stride}, gz, gx_beta, gx, 0, columns);
        gx_beta = 1;
      }
    }
    if (!g.x) return;
    T* to = gx_of[a.feature];
    const std::int64_t size = call.in[a.feature].size;
    // The first arrangement of a feature writes all of its entries, the others add.
    const Arrangement* first = call.pieces->arrangements.data();
    while (first->feature != a.feature) ++first;
    const T beta = first != &a ? T(1) : collects ? T(0) : g.x_beta[a.feature];
    const std::int64_t* at = a.from.data() + q * a.columns + c0;
    for (std::int64_t i = 0; i < d; ++i)
      for (std::int64_t c = 0; c < columns; ++c) {
        T& entry = to[i * size + at[c]];
        entry = gx[i * columns + c] + (beta == T(0) ? T(0) : entry);
      }
  });
  if constexpr (interpolates<T>)
    each_interpolated(call, [&](const Piece& p, std::size_t k, const Nodes& nodes) {
      const Batch<const T>& y = g.y[p.target];
      interpolation().adjoint(nodes.grid, x_of[p.feature], p.columns, y.at(net) + p.out_at[0], y.size, y.channels,
                              block + pieces[k].offset, nodes.row(y.channels));
    });
  if (collects)
    for (int f = 0; f < call.features; ++f)
      if (has_pieces(call, f))
        call.reading.vjp(call.in[f].at(net), gx_of[f], call.in[f].channels, call.in[f].size, call.mask_of(f, net),
                         {g.x[f].at(net), g.x_beta[f]}, entries);
  for (std::size_t k = 0; k < call.pieces->constants.size(); ++k) {
    const Constant& constant = call.pieces->constants[k];
    const Batch<T>& y = call.out[constant.target];
    T* to = block + constants[k].offset;
    for (std::int64_t e = 0; e < y.channels; ++e)
      for (std::int64_t at : constant.out_at) *to++ += g.y[constant.target].at(net)[e * y.size + at];
  }
}

}  // namespace

template <class T>
void forward(PiecesCall<T>& call, Arena& arena) {
  if (call.pieces->wide && !call.frequencies) return forward_wide(call, arena);
  if constexpr (interpolates<T>)
    if (call.frequencies) interpolate(call, arena);
  const Arena::Mark mark = arena.mark();
  const Memory<T> sizes(call);
  T* memory = numbers<T>(arena, sizes.size * threads());
  const T** x_of = numbers<const T*>(arena, call.features * threads());
  parallel_workers(call.batch, 1, [&](std::int64_t net, std::int64_t, int worker) {
    network(call, net, x_of + worker * call.features, sizes, memory + worker * sizes.size);
  });
  arena.rewind(mark);
}

template <class T>
void vjp(const PiecesCall<T>& call, const CallGradients<T>& g, Arena& arena) {
  if (call.pieces->wide && !call.frequencies) return vjp_wide(call, g, arena);
  const Memory<T> sizes(call);
  const auto pieces = static_cast<std::int64_t>(call.pieces->pieces.size()),
             constants = static_cast<std::int64_t>(call.pieces->constants.size());
  Place *place = numbers<Place>(arena, pieces), *constant_place = numbers<Place>(arena, constants);
  T** separate = numbers<T*>(arena, pieces);
  std::int64_t all = 1;
  for (std::int64_t k = 0; k < pieces; ++k) {
    const Piece& p = call.pieces->pieces[static_cast<std::size_t>(k)];
    const std::int64_t e = call.out[p.target].channels;
    place[k].size = interpolated(call, p) ? call.nodes[p.arrangement].numbers(e) : p.phi_size * e * call.d(p.feature);
    all += place[k].size;
  }
  PartialSums<T> sums(arena, call.batch, static_cast<int>(pieces + constants), all);
  for (std::int64_t k = 0; k < pieces; ++k) {
    const Piece& p = call.pieces->pieces[static_cast<std::size_t>(k)];
    separate[k] = p.phi_size > 1 || interpolated(call, p) ? numbers<T>(arena, place[k].size) : nullptr;
    place[k].offset = sums.add(separate[k] ? Grad<T>{separate[k], 0} : g.phi[p.parameter], place[k].size);
  }
  for (std::int64_t k = 0; k < constants; ++k) {
    const Constant& c = call.pieces->constants[static_cast<std::size_t>(k)];
    constant_place[k].size = call.out[c.target].channels * static_cast<std::int64_t>(c.out_at.size());
    constant_place[k].offset = sums.add(g.phi[c.parameter], constant_place[k].size);
  }
  sums.allocate();
  if (g.x)
    for (int f = 0; f < call.features; ++f)
      if (!has_pieces(call, f) && g.x_beta[f] == T(0))
        std::fill_n(g.x[f].data, call.batch * g.x[f].channels * g.x[f].size, T(0));
  T* memory = numbers<T>(arena, sizes.size * threads());
  const T** x_of = numbers<const T*>(arena, call.features * threads());
  T** gx_of = numbers<T*>(arena, call.features * threads());
  sums.run([&](std::int64_t begin, std::int64_t end, int worker, T* leaf) {
    for (std::int64_t net = begin; net < end; ++net)
      network_vjp(call, g, net, leaf, place, constant_place, x_of + worker * call.features,
                  gx_of + worker * call.features, sizes, memory + worker * sizes.size);
  });
  for (std::int64_t k = 0; k < pieces; ++k) {
    if (!separate[k]) continue;
    const Piece& p = call.pieces->pieces[static_cast<std::size_t>(k)];
    const Grad<T>& to = g.phi[p.parameter];
    const std::int64_t e = call.out[p.target].channels, d = call.d(p.feature);
    if constexpr (interpolates<T>)
      if (interpolated(call, p)) {
        gradient_of_phi(call.nodes[p.arrangement], separate[k], e, d, to);
        continue;
      }
    parallel_blocks(e, row_grain(e), [&](std::int64_t e0, std::int64_t e1) {
      for (std::int64_t i = e0 * d; i < e1 * d; ++i)
        for (std::int64_t v = 0; v < p.phi_size; ++v) {
          T& entry = to.data[i * p.phi_size + p.phi_at[static_cast<std::size_t>(v)]];
          entry = separate[k][v * e * d + i] + (to.beta == T(0) ? T(0) : entry);
        }
    });
  }
}

#define WEFT_INSTANTIATE(T)                      \
  template void forward(PiecesCall<T>&, Arena&); \
  template void vjp(const PiecesCall<T>&, const CallGradients<T>&, Arena&);
WEFT_INSTANTIATE(float)
WEFT_INSTANTIATE(double)
#undef WEFT_INSTANTIATE

}  // namespace weft::linear
