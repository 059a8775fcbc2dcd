#include "weft/nfn/linear/mixing_schedule.h"

#include "weft/nfn/layer_kernels.h"

namespace weft::linear {
namespace {

template <class T>
std::int64_t most(const Side& side) {
  std::int64_t n = 0;
  for (const Side::Matrix& m : side.tensors) n = std::max(n, m.channels * m.rows * m.columns);
  return padded(n);
}

std::int64_t most_sums(const Side& side) {
  std::int64_t n = 0;
  for (const Side::Matrix& m : side.tensors) n = std::max(n, padded(m.rows) + padded(m.columns));
  return n;
}

/// x [channels, rows, columns] of one network into the rows of its views.
template <class T>
void gather(const Side::Matrix& m, const T* x, std::int64_t net, std::int64_t batch, T* const* stacked, T* memory) {
  if (m.views.empty()) return;
  Carve<T> scratch{memory};
  T *over_columns = scratch.take(m.rows), *over_rows = scratch.take(m.columns);
  for (std::int64_t c = 0; c < m.channels; ++c, x += m.rows * m.columns) {
    kernels<T>().sums(x, m.rows, m.columns, over_columns, over_rows);
    const T all = pairwise_sum<T>(m.rows, [=](std::int64_t i) { return over_columns[i]; });
    const T* const summed[] = {&all, over_columns, over_rows, x};
    for (const View& v : m.views) {
      const T* from = summed[v.axes];
      const auto scale = static_cast<T>(v.scale);
      const std::int64_t stride = batch * v.moved, *at = v.at.data();
      T* to = stacked[v.mix] + (v.row + c * v.fixed) * stride + net * v.moved;
      for (std::int64_t q = 0; q < v.fixed; ++q, to += stride, at += v.moved)
        for (std::int64_t k = 0; k < v.moved; ++k) to[k] = scale * from[at[k]];
    }
  }
}

/// The other way: y = the sum of its views, each repeated along the axes that it lacks.
template <class T>
void scatter(const Side::Matrix& m, T* y, std::int64_t net, std::int64_t batch, const T* const* stacked, T* memory) {
  Carve<T> scratch{memory};
  T *by_row = scratch.take(m.rows), *by_column = scratch.take(m.columns);
  for (std::int64_t c = 0; c < m.channels; ++c, y += m.rows * m.columns) {
    T all = 0;
    std::fill_n(by_row, m.rows, T(0));
    std::fill_n(by_column, m.columns, T(0));
    T* const sums[] = {&all, by_row, by_column, y};
    auto add = [&](const View& v) {
      T* to = sums[v.axes];
      const auto scale = static_cast<T>(v.scale);
      const std::int64_t stride = batch * v.moved, *at = v.at.data();
      const T* from = stacked[v.mix] + (v.row + c * v.fixed) * stride + net * v.moved;
      for (std::int64_t q = 0; q < v.fixed; ++q, from += stride, at += v.moved)
        for (std::int64_t k = 0; k < v.moved; ++k) to[at[k]] += scale * from[k];
    };
    for (const View& v : m.views)
      if (v.axes != 3) add(v);
    for (std::int64_t i = 0; i < m.rows; ++i) by_row[i] += all;
    kernels<T>().outer_sum(by_row, m.rows, by_column, m.columns, y);
    for (const View& v : m.views)
      if (v.axes == 3) add(v);
  }
}

/// body(phi's number per (e, d, q, r), its place in the mix's phi) for the rows [begin, end) of channels e.
template <class Body>
void each_number(const Mix& mix, const PhiBlock& b, std::int64_t begin, std::int64_t end, const Body& body) {
  const auto size = static_cast<std::int64_t>(b.at.size());
  for (std::int64_t e = begin; e < end; ++e)
    for (std::int64_t r = 0; r < b.added; ++r) {
      std::int64_t to = (b.row_out + e * b.added + r) * mix.rows_in + b.row_in;
      for (std::int64_t d = 0; d < b.d; ++d)
        for (std::int64_t q = 0; q < b.contracted; ++q)
          body((e * b.d + d) * size + b.at[static_cast<std::size_t>(q * b.added + r)], to++);
    }
}

template <class T>
void stack_phis(const MixingCall<T>& call) {
  for (std::size_t k = 0; k < call.mixing->mixes.size(); ++k) {
    const Mix& mix = call.mixing->mixes[k];
    T* to = call.phis[k];
    parallel_blocks(mix.rows_out * mix.rows_in, 1 << 15,
                    [=](std::int64_t begin, std::int64_t end) { std::fill(to + begin, to + end, T(0)); });
    for (const PhiBlock& b : mix.blocks)
      parallel_blocks(b.e, row_grain(b.e), [&](std::int64_t begin, std::int64_t end) {
        const T* phi = call.phi[b.parameter];
        each_number(mix, b, begin, end, [=](std::int64_t from, std::int64_t at) { to[at] = phi[from]; });
      });
  }
}

/// Feature f of one network as the layer reads it, in `copy` when that changes it.
template <class T>
const T* read(const MixingCall<T>& call, int f, std::int64_t net, T* copy) {
  const Batch<const T>& x = call.in[f];
  if (!call.reading.changes()) return x.at(net);
  call.reading.forward(x.at(net), copy, x.channels, x.size, call.mask_of(f, net));
  return copy;
}

template <class T>
T** one_per_mix(const Mixing& mixing, std::int64_t batch, std::int64_t Mix::*rows, Arena& arena) {
  T** all = numbers<T*>(arena, static_cast<std::int64_t>(mixing.mixes.size()));
  for (std::size_t k = 0; k < mixing.mixes.size(); ++k)
    all[k] = numbers<T>(arena, mixing.mixes[k].*rows * batch * mixing.mixes[k].columns);
  return all;
}

}  // namespace

template <class T>
void forward(MixingCall<T>& call, Arena& arena) {
  const Mixing& mixing = *call.mixing;
  const auto mixes = static_cast<std::int64_t>(mixing.mixes.size());
  call.stacked = one_per_mix<T>(mixing, call.batch, &Mix::rows_in, arena);
  call.phis = numbers<T*>(arena, mixes);
  for (std::int64_t k = 0; k < mixes; ++k) {
    const Mix& mix = mixing.mixes[static_cast<std::size_t>(k)];
    call.phis[k] = numbers<T>(arena, mix.rows_out * mix.rows_in);
  }
  const Arena::Mark mark = arena.mark();
  T** results = one_per_mix<T>(mixing, call.batch, &Mix::rows_out, arena);
  const std::int64_t copy = most<T>(mixing.in), size = copy + std::max(most_sums(mixing.in), most_sums(mixing.out));
  T* memory = numbers<T>(arena, size * threads());

  stack_phis(call);
  for (std::int64_t k = 0; k < mixes; ++k) {
    const Mix& mix = mixing.mixes[static_cast<std::size_t>(k)];
    if (mix.ones >= 0) std::fill_n(call.stacked[k] + mix.ones * call.batch, call.batch, T(1));
  }
  parallel_workers(call.batch, 1, [&](std::int64_t net, std::int64_t, int worker) {
    T* own = memory + worker * size;
    for (int f = 0; f < call.features; ++f) {
      const Side::Matrix& m = mixing.in.tensors[static_cast<std::size_t>(f)];
      if (!m.views.empty()) gather(m, read(call, f, net, own), net, call.batch, call.stacked, own + copy);
    }
  });
  for (std::int64_t k = 0; k < mixes; ++k) {
    const Mix& mix = mixing.mixes[static_cast<std::size_t>(k)];
    const std::int64_t n = call.batch * mix.columns;
    gemm<T>({1, mix.rows_out, n, mix.rows_in}, {call.phis[k], 0, mix.rows_in, 1}, {call.stacked[k], 0, n, 1}, 0,
            results[k], 0, n);
  }
  parallel_workers(call.batch, 1, [&](std::int64_t net, std::int64_t, int worker) {
    T* own = memory + worker * size;
    for (int t = 0; t < call.targets; ++t) {
      const Side::Matrix& m = mixing.out.tensors[static_cast<std::size_t>(t)];
      const Batch<T>& y = call.out[t];
      scatter(m, y.at(net), net, call.batch, results, own + copy);
      if (m.direct < 0) continue;
      const Direct& direct = mixing.direct[static_cast<std::size_t>(m.direct)];
      const std::int64_t d = call.in[direct.feature].channels;
      product<T>({1, y.channels, y.size, d}, {call.phi[direct.parameter], 0, d, 1},
                 {read(call, direct.feature, net, own), 0, y.size, 1}, 1, y.at(net), 0, y.size);
    }
  });
  arena.rewind(mark);
}

template <class T>
void vjp(const MixingCall<T>& call, const CallGradients<T>& g, Arena& arena) {
  const Mixing& mixing = *call.mixing;
  const auto mixes = static_cast<std::int64_t>(mixing.mixes.size());
  T** cotangents = one_per_mix<T>(mixing, call.batch, &Mix::rows_out, arena);
  T** gradients = g.x ? one_per_mix<T>(mixing, call.batch, &Mix::rows_in, arena) : nullptr;
  const std::int64_t copy = most<T>(mixing.in),
                     size = 2 * copy + std::max({most_sums(mixing.in), most_sums(mixing.out)});
  T* memory = numbers<T>(arena, size * threads());

  parallel_workers(call.batch, 1, [&](std::int64_t net, std::int64_t, int worker) {
    for (int t = 0; t < call.targets; ++t)
      gather(mixing.out.tensors[static_cast<std::size_t>(t)], g.y[t].at(net), net, call.batch, cotangents,
             memory + worker * size);
  });
  for (std::int64_t k = 0; k < mixes; ++k) {
    const Mix& mix = mixing.mixes[static_cast<std::size_t>(k)];
    const std::int64_t n = call.batch * mix.columns;
    const Arena::Mark mark = arena.mark();
    T* gphi = numbers<T>(arena, mix.rows_out * mix.rows_in);
    gemm<T>({1, mix.rows_out, mix.rows_in, n}, {cotangents[k], 0, n, 1}, {call.stacked[k], 0, 1, n}, 0, gphi, 0,
            mix.rows_in);
    for (const PhiBlock& b : mix.blocks)
      parallel_blocks(b.e, row_grain(b.e), [&](std::int64_t begin, std::int64_t end) {
        const Grad<T>& to = g.phi[b.parameter];
        each_number(mix, b, begin, end, [=](std::int64_t at, std::int64_t from) {
          to.data[at] = gphi[from] + (to.beta == T(0) ? T(0) : to.data[at]);
        });
      });
    arena.rewind(mark);
    if (g.x)
      gemm<T>({1, mix.rows_in, n, mix.rows_out}, {call.phis[k], 0, 1, mix.rows_in}, {cotangents[k], 0, n, 1}, 0,
              gradients[k], 0, n);
  }

  const auto directs = static_cast<std::int64_t>(mixing.direct.size());
  std::int64_t expected = 1;
  for (const Direct& direct : mixing.direct)
    expected += call.in[direct.feature].channels * call.out[direct.target].channels;
  PartialSums<T> sums(arena, call.batch, static_cast<int>(directs), expected);
  auto* offset = numbers<std::int64_t>(arena, directs);
  for (std::int64_t k = 0; k < directs; ++k) {
    const Direct& direct = mixing.direct[static_cast<std::size_t>(k)];
    offset[k] = sums.add(g.phi[direct.parameter], call.in[direct.feature].channels * call.out[direct.target].channels);
  }
  sums.allocate();
  sums.run([&](std::int64_t begin, std::int64_t end, int worker, T* leaf) {
    T *own = memory + worker * size, *collected = own + copy, *scratch = collected + copy;
    for (std::int64_t net = begin; net < end; ++net)
      for (int f = 0; f < call.features; ++f) {
        const Side::Matrix& m = mixing.in.tensors[static_cast<std::size_t>(f)];
        const Batch<const T>& x = call.in[f];
        const bool at_once = g.x && !call.reading.changes() && g.x_beta[f] == T(0);
        T* gx = at_once ? g.x[f].at(net) : collected;
        if (g.x) scatter(m, gx, net, call.batch, gradients, scratch);
        if (m.direct >= 0) {
          const Direct& direct = mixing.direct[static_cast<std::size_t>(m.direct)];
          const Batch<const T>& y = g.y[direct.target];
          const GemmOperand<T> gy{y.at(net), 0, y.size, 1};
          product<T>({1, y.channels, x.channels, x.size}, gy, {read(call, f, net, own), 0, 1, x.size}, 1,
                     leaf + offset[m.direct], 0, x.channels);
          if (g.x)
            product<T>({1, x.channels, x.size, y.channels}, {call.phi[direct.parameter], 0, 1, x.channels}, gy, 1, gx,
                       0, x.size);
        }
        if (!g.x || at_once) continue;
        call.reading.vjp(x.at(net), gx, x.channels, x.size, call.mask_of(f, net), {g.x[f].at(net), g.x_beta[f]}, own);
      }
  });
}

#define WEFT_INSTANTIATE(T)                      \
  template void forward(MixingCall<T>&, Arena&); \
  template void vjp(const MixingCall<T>&, const CallGradients<T>&, Arena&);
WEFT_INSTANTIATE(float)
WEFT_INSTANTIATE(double)
#undef WEFT_INSTANTIATE

}  // namespace weft::linear
