// The forward pass of E's schedule: pack the hidden layers' phis, walk the networks, then the rows of layer L.

#include <algorithm>

#include "weft/core/parallel.h"
#include "weft/nfn/magep/schedule.h"

namespace weft::magep {
namespace {

/// Rows [e0, e1) of M_i.
template <class T>
void pack(const Schedule<T>& s, int i, std::int64_t e0, std::int64_t e1) {
  const Sizes& z = s.z;
  const std::int64_t n0 = z.n0(), prefixes = s.prefix_rows(), row = s.stack_rows(i);
  const PhiTable<const T*>& phi = s.phi[i];
  T* M = s.mix[i];
  for (std::int64_t e = e0; e < e1; ++e) {
    T* to = M + (i == 1 ? z.e * n0 + e : e) * row;
    for (int m = 1; m <= 3; ++m, to += prefixes) std::copy_n(phi.b[m] + e * prefixes, prefixes, to);
    for (int m = 4; m <= (i == 1 ? 4 : 5); ++m, to += z.d) std::copy_n(phi.b[m] + e * z.d, z.d, to);
    if (i > 1) continue;
    to = M + e * n0 * row;
    for (int m = from_W; m <= weight_terms; ++m) {
      const std::int64_t columns = m < 4 ? prefixes : z.d;
      const T* from = phi.W[m] + e * columns * n0;
      for (std::int64_t c = 0; c < columns; ++c)
        for (std::int64_t k = 0; k < n0; ++k) to[k * row + c] = from[c * n0 + k];
      to += columns;
    }
  }
}

template <class T>
void fill_stack(const Schedule<T>& s, int i, std::int64_t net, Carve<T> scratch) {
  const Sizes& z = s.z;
  const std::int64_t d = z.d, n0 = z.n0(), n = z.width(i);
  T* P = s.stack(i, net, 0);
  if (i == 1) {
    for (std::int64_t c = 0; c < d; ++c) transposed(s.W(1, net) + c * n * n0, n, n0, P + c * n * n0);
  } else {
    const std::int64_t k = z.width(i - 1);
    T *in = scratch.take(d * (n0 + 1) * k), *out = scratch.take(d * (n0 + 1) * n);
    chain_input(s, i, net, in);
    product<T>({d, n0 + 1, n, k}, {in, (n0 + 1) * k, k, 1}, {s.W(i, net), n * k, 1, k}, 0, out, (n0 + 1) * n, n);
    T* B = s.stack_Wb(i, net);
    for (std::int64_t c = 0; c < d; ++c) {
      std::copy_n(out + c * (n0 + 1) * n, n0 * n, P + c * n0 * n);
      std::copy_n(out + (c * (n0 + 1) + n0) * n, n, B + c * n);
    }
  }
  std::copy_n(s.b(i, net), d * n, s.stack_b(i, net));
  middle(s, i, net);
  product<T>({d, n0, n, n0}, {s.M(i, net), n0 * n0, 1, n0}, {P, n0 * n, n, 1}, 0, s.stack(i, net, 1), n0 * n, n);
  product<T>({d, n0, n, 1}, {s.m(i, net), n0, 1, 1}, {s.b(i, net), n, n, 1}, 0, s.stack(i, net, 2), n0 * n, n);
}

template <class T>
void right_factors(const Schedule<T>& s, int i, std::int64_t net) {
  const Sizes& z = s.z;
  const std::int64_t d = z.d, n0 = z.n0(), nL = z.nL(), n = z.width(i - 1);
  const T* S = s.suffix(i - 1, net);
  T* R = s.R(i, net);
  product<T>({d, n0, n, nL}, {s.psi.WW_below(i), n0 * nL, nL, 1}, {S, nL * n, n, 1}, 0, R, n, d * n);
  product<T>({d, 1, n, nL}, {s.psi.bW_below(i), nL, nL, 1}, {S, nL * n, n, 1}, 0, R + n0 * d * n, n, n);
}

/// c_j,d = Σ_q [W]^(i,0)_d,jq Ψ_d,q and c'_j,d = b^(i)_d,j Ψ'_d (n_L = 1).
template <class T>
void coefficients(const Schedule<T>& s, int i, std::int64_t net) {
  const Sizes& z = s.z;
  const std::int64_t d = z.d, n0 = z.n0(), n = z.width(i);
  const T *P = s.prefix(i, net), *b = s.b(i, net), *psi = s.psi.WW_below(i), *psi_b = s.psi.bW_below(i);
  T *c = s.R(i, net), *c_b = c + n * d;
  for (std::int64_t j = 0; j < n; ++j)
    for (std::int64_t a = 0; a < d; ++a) {
      T sum = 0;
      for (std::int64_t q = 0; q < n0; ++q) sum += P[(a * n0 + q) * n + j] * psi[a * n0 + q];
      c[j * d + a] = sum;
      c_b[j * d + a] = b[a * n + j] * psi_b[a];
    }
}

template <class T>
void inner_weight(const Schedule<T>& s, int i, std::int64_t net, Carve<T> scratch) {
  const Sizes& z = s.z;
  const std::int64_t d = z.d, e = z.e, n = z.width(i), k = z.width(i - 1), all = n * k;
  T* to = s.W_out(i, net);
  const T* W = s.W(i, net);
  if (s.factored()) {
    const std::int64_t rows = std::clamp<std::int64_t>(128 / k, 1, n);
    T* Q = scratch.take(e * d);
    for (std::int64_t j0 = 0; j0 < n; j0 += rows) {
      const std::int64_t tile = std::min(rows, n - j0);
      product<T>({1, e, tile * k, d}, {s.phi[i].W[from_W], 0, d, 1}, {W + j0 * k, 0, all, 1}, 0, to + j0 * k, 0, all);
      for (std::int64_t j = j0; j < j0 + tile; ++j) {
        left_factors(s, i, net, j, Q);
        product<T>({1, e, k, d}, {Q, 0, d, 1}, {s.suffix(i - 1, net), 0, k, 1}, 1, to + j * k, 0, all);
      }
    }
  } else {
    const std::int64_t rows = s.tile_rows(i);
    T* F = scratch.take(2 * d * rows * k);
    for (std::int64_t j0 = 0; j0 < n; j0 += rows) {
      const std::int64_t tile = std::min(rows, n - j0), columns = tile * k;
      form_tile(s, i, net, j0, tile, F);
      T* c = to + j0 * k;
      product<T>({1, e, columns, d}, {s.phi[i].W[from_W], 0, d, 1}, {W + j0 * k, 0, all, 1}, 0, c, 0, all);
      product<T>({1, e, columns, d}, {s.phi[i].W[from_WW], 0, d, 1}, {F, 0, columns, 1}, 1, c, 0, all);
      product<T>({1, e, columns, d}, {s.phi[i].W[from_bW], 0, d, 1}, {F + d * columns, 0, columns, 1}, 1, c, 0, all);
    }
  }
}

template <class T>
void hidden_outputs(const Schedule<T>& s, int i, std::int64_t net, Carve<T> scratch) {
  const Sizes& z = s.z;
  const std::int64_t e = z.e, n = z.width(i), n0 = z.n0(), rows = s.mix_rows(i), k = s.stack_rows(i);
  T* y = i == 1 ? scratch.take(rows * n) : s.b_out(i, net);
  product<T>({1, rows, n, k}, {s.mix[i], 0, k, 1}, {s.X(i, net), 0, n, 1}, 0, y, 0, n);
  if (i > 1) return;
  for (std::int64_t c = 0; c < e; ++c) transposed(y + c * n0 * n, n0, n, s.W_out(1, net) + c * n0 * n);
  std::copy_n(y + e * n0 * n, e * n, s.b_out(1, net));
}

template <class T>
std::int64_t network_scratch(const Schedule<T>& s) {
  const Sizes& z = s.z;
  std::int64_t most = padded(s.mix_rows(1) * z.width(1));
  for (int i = 2; i <= z.L(); ++i) {
    most = std::max(most, padded(z.d * (z.n0() + 1) * z.width(i - 1)) + padded(z.d * (z.n0() + 1) * z.width(i)));
    most = std::max(most, s.factored() ? z.e * z.d : 2 * z.d * s.tile_rows(i) * z.width(i - 1));
  }
  return padded(most);
}

template <class T>
void network(const Schedule<T>& s, std::int64_t net, T* memory) {
  const int L = s.z.L();
  const Carve<T> scratch{memory};
  suffixes(s, net);
  for (int i = 1; i < L; ++i) fill_stack(s, i, net, scratch);
  end_vector(s, net);
  for (int i = 2; i <= L; ++i)
    if (s.factored())
      coefficients(s, i, net);
    else
      right_factors(s, i, net);
  for (int i = 2; i <= s.last_inner(); ++i) inner_weight(s, i, net, scratch);
  for (int i = 1; i < L; ++i) hidden_outputs(s, i, net, scratch);
  if (s.factored()) return;
  const std::int64_t rows = s.z.d * s.z.nL(), n = s.z.width(L - 1);
  for (std::int64_t r = 0; r < rows; ++r) std::copy_n(s.W(L, net) + r * n, n, s.last_in + (r * s.z.batch + net) * n);
}

/// Rows [e0, e1) of b^(L), all networks.
template <class T>
void last_bias(const Schedule<T>& s, std::int64_t e0, std::int64_t e1) {
  const Sizes& z = s.z;
  const std::int64_t nL = z.nL(), rows = e1 - e0;
  const EndVector at(z);
  T* y = s.b_out(z.L(), 0) + e0 * nL;
  const std::int64_t offsets[] = {at.prefix, at.WW, at.bW, at.Wb, at.trace_WW, at.trace_bW, at.b, at.size};
  for (int m = 1; m <= 7; ++m) {
    const std::int64_t k = offsets[m] - offsets[m - 1];
    const T *x = s.x + offsets[m - 1], *phi = s.phi[z.L()].b[m] + e0 * k * nL, beta = m > 1 ? T(1) : T(0);
    if (nL == 1)
      product<T>({1, z.batch, rows, k}, {x, 0, at.size, 1}, {phi, 0, 1, k}, beta, y, 0, z.e);
    else
      product<T>({rows, z.batch, nL, k}, {x, 0, at.size, 1}, {phi, k * nL, nL, 1}, beta, y, nL, z.e * nL);
  }
  const T* constant = s.phi[z.L()].b[magep::constant] + e0 * nL;
  for (std::int64_t net = 0; net < z.batch; ++net)
    for (std::int64_t r = 0; r < rows * nL; ++r) y[net * z.e * nL + r] += constant[r];
}

/// Rows [e0, e1) of W^(L), all networks (n_L > 1).
template <class T>
void last_weight(const Schedule<T>& s, std::int64_t e0, std::int64_t e1) {
  const Sizes& z = s.z;
  const int L = z.L();
  const std::int64_t d = z.d, nL = z.nL(), n0 = z.n0(), n = z.width(L - 1), square = nL * nL, all = z.e * nL;
  const EndVector at(z);
  const PhiTable<const T*>& phi = s.phi[L];
  for (std::int64_t e = e0; e < e1; ++e) {
    for (std::int64_t q = 0; q < n0; ++q)
      product<T>({d, z.batch, nL, nL}, {s.x + at.prefix + q, nL * n0, at.size, n0},
                 {phi.W[from_WW] + e * d * square, square, nL, 1}, 0, s.left + q * d * z.batch * all + e * nL,
                 z.batch * all, all);
    product<T>({d, z.batch, nL, nL}, {s.x + at.b, nL, at.size, 1}, {phi.W[from_bW] + e * d * square, square, nL, 1}, 0,
               s.left + n0 * d * z.batch * all + e * nL, z.batch * all, all);
  }
  for (std::int64_t net = 0; net < z.batch; ++net) {
    T* y = s.W_out(L, net) + e0 * nL * n;
    product<T>({e1 - e0, nL, n, d * nL}, {phi.W[from_W] + e0 * d * square, d * square, 1, nL},
               {s.last_in + net * n, 0, z.batch * n, 1}, 0, y, nL * n, n);
    for (std::int64_t q = 0; q <= n0; ++q)
      product<T>({1, (e1 - e0) * nL, n, d}, {s.left + (q * d * z.batch + net) * all + e0 * nL, 0, 1, z.batch * all},
                 {s.R(L, net) + q * d * n, 0, n, 1}, 1, y, 0, n);
  }
}

}  // namespace

template <class T>
void forward(const Schedule<T>& s, Arena& arena) {
  const Sizes& z = s.z;
  const std::int64_t grain = row_grain(z.e);
  parallel_blocks(z.e, grain, [&](std::int64_t e0, std::int64_t e1) {
    for (int i = 1; i < z.L(); ++i) pack(s, i, e0, e1);
  });
  const std::int64_t size = network_scratch(s);
  T* scratch = arena.allocate_array<T>(static_cast<std::size_t>(size * threads()));
  const auto features = one_each<OneNetwork<T>>(arena, s.reading.changes() ? threads() : 0, z);
  parallel_workers(z.batch, 1, [&](std::int64_t net, std::int64_t, int worker) {
    Schedule<T> view = s;
    if (s.reading.changes()) features[static_cast<std::size_t>(worker)].read(s, net, view);
    network(view, net, scratch + worker * size);
  });
  parallel_blocks(z.e, grain, [&](std::int64_t e0, std::int64_t e1) {
    last_bias(s, e0, e1);
    if (!s.factored()) last_weight(s, e0, e1);
  });
}

template void forward(const Schedule<float>&, Arena&);
template void forward(const Schedule<double>&, Arena&);

}  // namespace weft::magep
