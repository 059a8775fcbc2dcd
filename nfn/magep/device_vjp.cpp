// The backward pass of E and I on a device.

#include <utility>

#include "weft/core/send.h"
#include "weft/nfn/magep/device_chain_vjp_bodies.h"
#include "weft/nfn/magep/device_schedule.h"
#include "weft/nfn/magep/device_vjp_bodies.h"
#include "weft/ops/product.h"

namespace weft::magep {
namespace {

/// What the stages share.
template <class T>
struct DeviceVjp {
  const DeviceState<T>& s;
  Arena& arena;
  DeviceGradient<T>* g;            ///< 0..L
  const DeviceGradient<T>* there;  ///< the same, for kernels
  T *packed, *parts;               ///< gradients of what is packed; one part of the sums a network
  T* gx;
};

/// Cotangents of layer i, but for U, V and R.
template <class T>
void lay_out_layer(const DeviceVjp<T>& v, const Tables& t, int i, Backward& back) {
  const DeviceState<T>& s = v.s;
  const DeviceSizes& z = s.z;
  const int L = z.L(), features = 2 * L;
  const auto at = static_cast<std::size_t>(i);
  const std::int64_t channels = z.batch * z.d, n0 = z.n0();
  DeviceGradient<T>& g = v.g[i];
  const Grad<T> W = gradient_address<T>(back, t.W[at]), b = gradient_address<T>(back, t.b[at]);
  g.W_to = W.data, g.W_beta = W.beta, g.b_to = b.data, g.b_beta = b.beta;
  g.b = numbers<T>(v.arena, channels * s.width(i));
  g.S_parts = numbers<T>(v.arena, channels * z.nL() * n0);
  for (int kind = 0; kind < Psi<T>::kinds; ++kind)
    if (const int number = t.psi[kind][at]; number >= 0 && back.wants(features + number))
      g.psi[kind] = v.parts + s.places.psi_part[kind][i];
  if (z.equivariant || i == L) {
    g.M = numbers<T>(v.arena, channels * n0 * n0);
    g.m = numbers<T>(v.arena, channels * n0);
  }
  if (!z.equivariant) return;
  g.W_out = cotangent_of<T>(back, t.W[at]);
  g.b_out = cotangent_of<T>(back, t.b[at]);
  if (i < L) {
    g.X = numbers<T>(v.arena, z.stack_rows(i) * z.batch * s.width(i));
    g.chain = numbers<T>(v.arena, channels * (n0 + 1) * s.width(i));
  }
}

/// Cotangents of U, V, R and the suffixes, and the sums of Φ2 and Φ3.
template <class T>
void lay_out_factors(const DeviceVjp<T>& v) {
  const DeviceState<T>& s = v.s;
  const DeviceSizes& z = s.z;
  const std::int64_t channels = z.batch * z.d, rank = z.rank();
  for (int i = 1; i <= z.L(); ++i) {
    DeviceGradient<T>&g = v.g[i], &below = v.g[i - 1];
    const std::int64_t suffix = channels * z.nL() * s.width(i - 1);
    if (!z.equivariant || i == 1) {
      below.S = numbers<T>(v.arena, suffix);
      continue;
    }
    g.W = numbers<T>(v.arena, channels * s.weight(i));
    g.U = numbers<T>(v.arena, channels * s.width(i) * rank);
    g.V = numbers<T>(v.arena, channels * s.width(i) * rank);
    g.R = numbers<T>(v.arena, channels * rank * s.width(i - 1));
    below.S = z.by_suffix() ? g.R : numbers<T>(v.arena, suffix);
    g.mix2 = v.parts + s.places.weight_part[2][i];
    g.mix3 = v.parts + s.places.weight_part[3][i];
  }
}

/// Of M_i and X_i.
template <class T>
void hidden_vjp(const DeviceVjp<T>& v) {
  const DeviceState<T>& s = v.s;
  const DeviceSizes& z = s.z;
  const T* gY = numbers<T>(v.arena, s.hidden());
  loop(v.arena.backend(), s.hidden(), 1024, HiddenCotangents<T>{z, s.on_device, v.there, const_cast<T*>(gY)});
  for (int i = 1; i < z.L(); ++i) {
    const std::int64_t rows = z.mix_rows(i), k = z.stack_rows(i), columns = z.batch * s.width(i);
    weft::product<T>(v.arena, {1, rows, k, columns}, {gY, 0, columns, 1}, {s.layer[i].X, 0, 1, columns}, 0,
                     v.packed + s.places.mix[i], 0, k);
    weft::product<T>(v.arena, {1, k, columns, rows}, {s.packed + s.places.mix[i], 0, 1, k}, {gY, 0, columns, 1}, 0,
                     v.g[i].X, 0, columns);
    gY += rows * columns;
  }
}

/// Of Φ and W of W^(i), i > 1, and of T and R.
template <class T>
void weights_vjp(const DeviceVjp<T>& v) {
  const DeviceState<T>& s = v.s;
  const DeviceSizes& z = s.z;
  const std::int64_t d = z.d, e = z.e, columns = d * z.rank(), part = s.places.part_size;
  T *left = numbers<T>(v.arena, s.left()), *g_left = numbers<T>(v.arena, s.left());
  form_left(s, left, v.arena);
  std::int64_t at = 0, factors = 0, mixes = 0;
  for (int i = 2; i <= z.L(); ++i) {
    const DeviceLayer<T>& l = s.layer[i];
    const DeviceGradient<T>& g = v.g[i];
    const std::int64_t n = s.width(i), k = s.width(i - 1), all = n * k;
    T *gW = const_cast<T*>(g.W), *sums = v.parts + s.places.weight_part[1][i];
    if (i < z.L()) {
      weft::product<T>(v.arena, {z.batch, d, all, e}, {s.weight_mix[i], 0, 1, d}, {g.W_out, e * all, all, 1}, 0, gW,
                       d * all, all);
      weft::product<T>(v.arena, {z.batch, e, d, all}, {g.W_out, e * all, all, 1}, {l.W, d * all, 1, all}, 0, sums, part,
                       d);
    } else {
      weft::product<T>(v.arena, {z.batch, d * n, k, e * n}, {s.packed + s.places.last_mix[from_W], 0, 1, d * n},
                       {g.W_out, e * all, k, 1}, 0, gW, d * all, k);
      weft::product<T>(v.arena, {z.batch, e * n, d * n, k}, {g.W_out, e * all, k, 1}, {l.W, d * all, 1, k}, 0, sums,
                       part, d * n);
    }
    weft::product<T>(v.arena, {z.batch, e * n, columns, k}, {g.W_out, e * all, k, 1}, {l.R, columns * k, 1, k}, 0,
                     g_left + at, e * n * columns, columns);
    weft::product<T>(v.arena, {z.batch, columns, k, e * n}, {left + at, e * n * columns, 1, columns},
                     {g.W_out, e * all, k, 1}, 0, g.R, columns * k, k);
    at += z.batch * e * n * columns;
    factors += z.batch * n * columns;
    mixes += z.batch * d * (i < z.L() ? e : e * n * n);
  }
  loop(v.arena.backend(), factors + mixes, 1024, LeftVjp<T>{z, s.on_device, v.there, g_left, part});
}

/// Of the vectors of layer L and what mixes them.
template <class T>
void end_vjp(const DeviceVjp<T>& v, const T* gy) {
  const DeviceState<T>& s = v.s;
  const std::int64_t rows = s.end_rows(), k = s.z.end_size(), mix = s.places.mix[s.z.L()];
  weft::product<T>(v.arena, {1, s.z.batch, k, rows}, {gy, 0, rows, 1}, {s.packed + mix, 0, 1, rows}, 0, v.gx, 0, k);
  weft::product<T>(v.arena, {1, k, rows, s.z.batch}, {s.x, 0, 1, k}, {gy, 0, rows, 1}, 0, v.packed + mix, 0, rows);
}

/// The parts added up, and all gradients of learned tensors where they belong.
template <class T>
void take_learned(const DeviceVjp<T>& v, Backward& back) {
  const DeviceState<T>& s = v.s;
  Arena& host = back.host();
  const std::int64_t size = s.places.part_size;
  std::int64_t parts = s.z.batch;
  T* sums = v.parts;
  while (parts > SumParts<T>::block) {
    const std::int64_t fewer = (parts + SumParts<T>::block - 1) / SumParts<T>::block;
    T* to = numbers<T>(v.arena, fewer * size);
    loop(v.arena.backend(), fewer * size, 1024, SumParts<T>{sums, to, parts, size});
    sums = to, parts = fewer;
  }
  const int features = 2 * s.z.L();
  auto* pieces = numbers<Piece<T>>(host, static_cast<std::int64_t>(s.places.all.size()));
  int count = 0, rows = 0;
  for (const LearnedTensor& tensor : s.places.all) {
    const Grad<T> to = gradient_address<T>(back, features + tensor.number);
    if (!to.data) continue;
    Piece<T>& piece = *new (pieces + count++) Piece<T>{};
    piece.dense = to.data, piece.beta = to.beta;
    piece.summed = tensor.part >= 0;
    piece.packed = piece.summed ? sums + tensor.part : v.packed + tensor.packed;
    std::copy_n(tensor.size, 4, piece.size);
    std::copy_n(tensor.stride, 4, piece.stride);
    piece.rows = std::exchange(rows, rows + tensor.size[0]);
  }
  const Piece<T>* there = send<Piece<T>>(v.arena, {pieces, static_cast<std::size_t>(count)});
  team_loop(v.arena.backend(), v.arena, rows, 1, Unpack<T>{there, count, parts, size});
}

}  // namespace

template <class T>
void device_vjp(const DeviceState<T>& s, const Tables& t, Backward& back) {
  back.require_inputs();
  const DeviceSizes& z = s.z;
  const int L = z.L();
  const std::int64_t channels = z.batch * z.d, part = s.places.part_size;
  Arena& arena = back.arena();
  DeviceVjp<T> v{s, arena, table_of<DeviceGradient<T>>(back.host(), L + 1), nullptr, nullptr, nullptr, nullptr};
  v.packed = numbers<T>(arena, s.places.packed_size);
  v.parts = numbers<T>(arena, z.batch * part);
  v.gx = numbers<T>(arena, z.batch * z.end_size());
  for (int i = 1; i <= L; ++i) lay_out_layer(v, t, i, back);
  lay_out_factors(v);
  v.there = send<DeviceGradient<T>>(arena, {v.g, static_cast<std::size_t>(L + 1)});

  if (z.equivariant) {
    hidden_vjp(v);
    weights_vjp(v);
  }
  end_vjp(v, z.equivariant ? v.g[L].b_out : cotangent_of<T>(back, 0));
  run_teams<LayerTermsVjp, T>(arena, L * channels, z, s.on_device, v.there, static_cast<const T*>(v.gx), part);
  run_teams<SweepVjp, T>(arena, channels, z, s.on_device, v.there, static_cast<const T*>(v.gx));
  loop(arena.backend(), s.features(), 1024, InputGradients<T>{z, s.on_device, v.there, s.rule});
  take_learned(v, back);
}

template void device_vjp(const DeviceState<float>&, const Tables&, Backward&);
template void device_vjp(const DeviceState<double>&, const Tables&, Backward&);

}  // namespace weft::magep
