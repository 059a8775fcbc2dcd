// The backward pass of E's schedule. Four stages: gather the cotangents; rows e of every phi's gradient;
// the cotangent of the vector of layer L, by channels; then network by network all that flows to the features, with
// partial sums of Ψ and the inner Φ over blocks of networks.

#include "weft/nfn/magep/equivariant_vjp.h"

#include <algorithm>

#include "weft/core/parallel.h"

namespace weft::magep {
namespace {

// Stage 1 -------------------------------------------------------------------------------------------------------------

template <class T>
void gather_cotangents(const VjpState<T>& v, std::int64_t net) {
  const Schedule<T>& s = v.s;
  const Sizes& z = s.z;
  const int L = z.L();
  const std::int64_t e = z.e, n0 = z.n0(), n1 = z.width(1), nL = z.nL(), k = z.width(L - 1);
  T* first = v.stack(1, net);
  const T* gW = v.g.W_y(1, net);
  for (std::int64_t c = 0; c < e; ++c) transposed(gW + c * n0 * n1, n1, n0, first + c * n0 * n1);
  std::copy_n(v.g.b_y(1, net), e * n1, first + e * n0 * n1);
  for (int i = 2; i < L; ++i) std::copy_n(v.g.b_y(i, net), e * z.width(i), v.stack(i, net));
  if (s.factored()) return;
  gW = v.g.W_y(L, net);
  for (std::int64_t r = 0; r < e * nL; ++r) std::copy_n(gW + r * k, k, v.last_W + (r * z.batch + net) * k);
}

// Stage 2 -------------------------------------------------------------------------------------------------------------

/// Of the sums over the networks.
std::int64_t leaves(const Sizes& z) { return (z.batch + serial_terms - 1) / serial_terms; }

template <class T>
void hidden_phi(const VjpState<T>& v, int i, std::int64_t e0, std::int64_t e1) {
  const Schedule<T>& s = v.s;
  const Sizes& z = s.z;
  const std::int64_t n0 = z.n0(), n = z.width(i), k = s.stack_rows(i), prefixes = s.prefix_rows();
  auto rows = [&](std::int64_t r0, std::int64_t r1) {
    const ArrayTree<T> sum{v.mix[i] + r0 * k, (r1 - r0) * k, s.mix_rows(i) * k};
    sum.sum(leaves(z), [&](std::int64_t leaf, T* to) {
      const std::int64_t first = leaf * serial_terms, end = std::min(first + serial_terms, z.batch);
      for (std::int64_t net = first; net < end; ++net)
        product<T>({1, r1 - r0, k, n}, {v.stack(i, net) + r0 * n, 0, n, 1}, {s.X(i, net), 0, 1, n}, 1, to, 0, k);
    });
  };
  const std::int64_t bias = i == 1 ? z.e * n0 : 0;
  rows(bias + e0, bias + e1);
  if (i == 1) rows(e0 * n0, e1 * n0);
  const PhiTable<Grad<T>>& to = v.g.phi[i];
  for (std::int64_t e = e0; e < e1; ++e) {
    const T* from = v.mix[i] + (bias + e) * k;
    for (int m = 1; m <= (i == 1 ? 4 : 5); ++m) {
      const std::int64_t columns = m < 4 ? prefixes : z.d;
      add_row(from, columns, to.b[m], e * columns, 1);
      from += columns;
    }
    if (i > 1) continue;
    for (std::int64_t r = 0; r < n0; ++r) {
      from = v.mix[1] + (e * n0 + r) * k;
      for (int m = from_W; m <= weight_terms; ++m) {
        const std::int64_t columns = m < 4 ? prefixes : z.d;
        add_row(from, columns, to.W[m], e * columns * n0 + r, n0);
        from += columns;
      }
    }
  }
}

template <class T>
void last_bias_phi(const VjpState<T>& v, std::int64_t e0, std::int64_t e1) {
  const Schedule<T>& s = v.s;
  const Sizes& z = s.z;
  const std::int64_t nL = z.nL(), rows = e1 - e0;
  const EndVector at(z);
  const std::int64_t offsets[] = {at.prefix, at.WW, at.bW, at.Wb, at.trace_WW, at.trace_bW, at.b, at.size};
  const T* gy = v.g.b_y(z.L(), 0) + e0 * nL;
  for (int m = 1; m <= 7; ++m) {
    const std::int64_t k = offsets[m] - offsets[m - 1];
    const Grad<T>& to = v.g.phi[z.L()].b[m];
    const T* x = s.x + offsets[m - 1];
    if (nL == 1)
      product<T>({1, rows, k, z.batch}, {gy, 0, 1, z.e}, {x, 0, at.size, 1}, to.beta, to.data + e0 * k, 0, k);
    else
      product<T>({rows, k, nL, z.batch}, {x, 0, 1, at.size}, {gy, nL, z.e * nL, 1}, to.beta, to.data + e0 * k * nL,
                 k * nL, nL);
  }
  const Grad<T>& constant = v.g.phi[z.L()].b[magep::constant];
  for (std::int64_t r = 0; r < rows * nL; ++r) {
    const T sum = pairwise_sum<T>(z.batch, [=](std::int64_t net) { return gy[net * z.e * nL + r]; });
    add_row(&sum, 1, constant, e0 * nL + r, 1);
  }
}

template <class T>
void last_weight_phi(const VjpState<T>& v, std::int64_t e0, std::int64_t e1) {
  const Schedule<T>& s = v.s;
  const Sizes& z = s.z;
  const int L = z.L();
  const std::int64_t d = z.d, nL = z.nL(), n0 = z.n0(), n = z.width(L - 1), square = nL * nL, all = z.e * nL,
                     channel = z.batch * all;
  const EndVector at(z);
  const PhiTable<Grad<T>>& to = v.g.phi[L];
  const std::int64_t columns = z.batch * n;
  const T* gz = v.last_W + e0 * nL * columns;
  product<T>({e1 - e0, d * nL, nL, columns}, {s.last_in, 0, columns, 1}, {gz, nL * columns, 1, columns},
             to.W[from_W].beta, to.W[from_W].data + e0 * d * square, d * square, nL);
  for (std::int64_t e = e0; e < e1; ++e)
    transposed(s.phi[L].W[from_W] + e * d * square, d * nL, nL, v.phi_last + e * d * square);
  for (std::int64_t net = 0; net < z.batch; ++net)
    for (std::int64_t q = 0; q <= n0; ++q)
      product<T>({1, d, (e1 - e0) * nL, n}, {s.R(L, net) + q * d * n, 0, n, 1}, {gz + net * n, 0, 1, columns}, 0,
                 v.left + (q * d * z.batch + net) * all + e0 * nL, 0, channel);
  for (std::int64_t e = e0; e < e1; ++e) {
    for (std::int64_t q = 0; q < n0; ++q)
      product<T>({d, nL, nL, z.batch}, {s.x + at.prefix + q, nL * n0, n0, at.size},
                 {v.left + q * d * channel + e * nL, channel, all, 1}, q > 0 ? T(1) : to.W[from_WW].beta,
                 to.W[from_WW].data + e * d * square, square, nL);
    product<T>({d, nL, nL, z.batch}, {s.x + at.b, nL, 1, at.size},
               {v.left + n0 * d * channel + e * nL, channel, all, 1}, to.W[from_bW].beta,
               to.W[from_bW].data + e * d * square, square, nL);
  }
}

// Stage 3 -------------------------------------------------------------------------------------------------------------

/// Channels [d0, d1) of the cotangent of the vector of layer L.
template <class T>
void end_vector_cotangent(const VjpState<T>& v, std::int64_t d0, std::int64_t d1) {
  const Schedule<T>& s = v.s;
  const Sizes& z = s.z;
  const int L = z.L();
  const std::int64_t d = z.d, nL = z.nL(), n0 = z.n0(), all = z.e * nL, square = nL * nL, channel = z.batch * all;
  const EndVector at(z);
  const std::int64_t offsets[] = {at.prefix, at.WW, at.bW, at.Wb, at.trace_WW, at.trace_bW, at.b, at.size};
  const T* gy = v.g.b_y(L, 0);
  for (int m = 1; m <= 7; ++m) {
    const std::int64_t k = offsets[m] - offsets[m - 1], per_channel = k / d, first = d0 * per_channel,
                       columns = (d1 - d0) * per_channel;
    const T* phi = s.phi[L].b[m];
    T* to = v.x + offsets[m - 1] + first;
    if (nL == 1)
      product<T>({1, z.batch, columns, z.e}, {gy, 0, z.e, 1}, {phi + first, 0, k, 1}, 0, to, 0, at.size);
    else
      for (std::int64_t e = 0; e < z.e; ++e)
        product<T>({1, z.batch, columns, nL}, {gy + e * nL, 0, all, 1}, {phi + (e * k + first) * nL, 0, 1, nL},
                   e > 0 ? T(1) : T(0), to, 0, at.size);
  }
  if (s.factored()) return;
  for (std::int64_t q = 0; q <= n0; ++q) {
    T* mixed = v.mixed + (q * d + d0) * z.batch * nL;
    const T* phi = s.phi[L].W[q < n0 ? 2 : 3];
    for (std::int64_t e = 0; e < z.e; ++e)
      product<T>({d1 - d0, z.batch, nL, nL}, {v.left + (q * d + d0) * channel + e * nL, channel, all, 1},
                 {phi + (e * d + d0) * square, square, 1, nL}, e > 0 ? T(1) : T(0), mixed, z.batch * nL, nL);
    const std::int64_t step = q < n0 ? n0 : 1;
    for (std::int64_t c = d0; c < d1; ++c)
      for (std::int64_t net = 0; net < z.batch; ++net) {
        T* to = v.x + net * at.size + (q < n0 ? at.prefix + c * nL * n0 + q : at.b + c * nL);
        const T* from = v.mixed + ((q * d + c) * z.batch + net) * nL;
        for (std::int64_t p = 0; p < nL; ++p) to[p * step] += from[p];
      }
  }
}

}  // namespace

template <class T>
void vjp(const Schedule<T>& s, const LayerGradients<T>& g, Arena& arena) {
  const Sizes& z = s.z;
  const int L = z.L();
  VjpState<T> v{s, g};
  v.stack = per_layer<T>(arena, L);
  v.mix = numbers<T*>(arena, L);
  for (int i = 1; i < L; ++i) {
    fill(v.stack, i, arena, s.mix_rows(i) * z.width(i), z.batch);
    v.mix[i] = numbers<T>(arena, ArrayTree<T>::levels(leaves(z)) * s.mix_rows(i) * s.stack_rows(i));
  }
  v.x = numbers<T>(arena, z.batch * EndVector(z).size);
  if (!s.factored()) {
    v.last_W = numbers<T>(arena, z.batch * z.e * z.weight(L));
    v.phi_last = numbers<T>(arena, z.e * z.d * z.nL() * z.nL());
    v.left = numbers<T>(arena, (z.n0() + 1) * z.d * z.batch * z.e * z.nL());
    v.mixed = numbers<T>(arena, (z.n0() + 1) * z.d * z.batch * z.nL());
  }

  parallel_blocks(z.batch, 1, [&](std::int64_t net, std::int64_t) { gather_cotangents(v, net); });
  parallel_blocks(z.e, row_grain(z.e), [&](std::int64_t e0, std::int64_t e1) {
    for (int i = 1; i < L; ++i) hidden_phi(v, i, e0, e1);
    last_bias_phi(v, e0, e1);
    if (!s.factored()) last_weight_phi(v, e0, e1);
  });
  parallel_blocks(z.d, row_grain(z.d), [&](std::int64_t d0, std::int64_t d1) { end_vector_cotangent(v, d0, d1); });
  walk_networks(v, arena);
}

template void vjp(const Schedule<float>&, const LayerGradients<float>&, Arena&);
template void vjp(const Schedule<double>&, const LayerGradients<double>&, Arena&);

}  // namespace weft::magep
