// The last stage of E's backward pass: network by network, all that flows to the features, with sums over blocks of
// networks of Ψ and the inner Φ.

#include <algorithm>

#include "weft/nfn/magep/equivariant_vjp.h"
#include "weft/nfn/magep/sums.h"

namespace weft::magep {
namespace {

/// What one block of networks writes into, and one worker's memory for one network.
template <class T>
struct Network {
  const VjpState<T>& v;
  const Schedule<T>& s;               ///< the features as they are read
  const LayerGradients<T>& g;         ///< of these
  SuffixGradient<T> to;               ///< of this network; psi of this block
  PhiTable<T*>* phi;                  ///< of this block: inner Φ
  T *chain, *next, *stack, *scratch;  ///< [d, n_0 + 1, n] of [W]^(i,0) and B_i, and of layer i - 1
};

/// Cotangents of M, m, the prefixes and b from those of [WW]^(i,0)(L,0) and [bW]^(i)(L,0) in the stack.
template <class T>
void stack_vjp(const Network<T>& w, int i, std::int64_t net) {
  const Schedule<T>& s = w.s;
  const Sizes& z = s.z;
  const std::int64_t d = z.d, n0 = z.n0(), n = z.width(i), k = s.stack_rows(i), rows = s.mix_rows(i),
                     chain = (n0 + 1) * n;
  Carve<T> scratch{w.scratch};
  T *gM = scratch.take(d * n0 * n0), *gm = scratch.take(d * n0);
  product<T>({1, k, n, rows}, {s.mix[i], 0, 1, k}, {w.v.stack(i, net), 0, n, 1}, 0, w.stack, 0, n);
  const std::int64_t part = s.prefix_rows() * n;
  const T *gP = w.stack, *gWW = gP + part, *gbW = gWW + part, *gB = gbW + part, *gb = i > 1 ? gB + d * n : gB;
  for (std::int64_t c = 0; c < d; ++c) {
    T* to = w.chain + c * chain;
    for (std::int64_t r = 0; r < n0 * n; ++r) to[r] += gP[c * n0 * n + r];
    if (i > 1)
      for (std::int64_t j = 0; j < n; ++j) to[n0 * n + j] += gB[c * n + j];
  }
  for (std::int64_t r = 0; r < d * n; ++r) w.to.b[i][r] += gb[r];
  const T *P = s.stack(i, net, 0), *b = s.b(i, net);
  product<T>({d, n0, n, n0}, {s.M(i, net), n0 * n0, n0, 1}, {gWW, n0 * n, n, 1}, 1, w.chain, chain, n);
  product<T>({d, n0, n0, n}, {P, n0 * n, n, 1}, {gWW, n0 * n, 1, n}, 0, gM, n0 * n0, n0);
  product<T>({d, 1, n, n0}, {s.m(i, net), n0, n0, 1}, {gbW, n0 * n, n, 1}, 1, w.to.b[i], n, n);
  product<T>({d, 1, n0, n}, {b, n, n, 1}, {gbW, n0 * n, 1, n}, 0, gm, n0, n0);
  middle_vjp<T>(s, i, net, gM, gm, w.to);
}

/// From the cotangent of the right factors R_i to those of S_{i-1} and Ψ.
template <class T>
void right_factors_vjp(const Network<T>& w, int i, std::int64_t net, const T* gR) {
  const Schedule<T>& s = w.s;
  const Sizes& z = s.z;
  const std::int64_t d = z.d, n0 = z.n0(), nL = z.nL(), n = z.width(i - 1);
  const T *S = s.suffix(i - 1, net), *gr = gR + n0 * d * n;
  T* gS = w.to.S[i - 1];
  product<T>({d, nL, n, n0}, {s.psi.WW_below(i), n0 * nL, 1, nL}, {gR, n, d * n, 1}, 1, gS, nL * n, n);
  product<T>({d, nL, n, 1}, {s.psi.bW_below(i), nL, 1, 1}, {gr, n, n, 1}, 1, gS, nL * n, n);
  if (T* g = w.to.psi.WW_below(i)) product<T>({d, n0, nL, n}, {gR, n, d * n, 1}, {S, nL * n, 1, n}, 1, g, n0 * nL, nL);
  if (T* g = w.to.psi.bW_below(i)) product<T>({d, 1, nL, n}, {gr, n, n, 1}, {S, nL * n, 1, n}, 1, g, nL, nL);
}

/// [WW] and [bW] formed (1 < i < L, n_L > 1). chain: cotangent of the prefixes.
template <class T>
void formed_weight_vjp(const Network<T>& w, int i, std::int64_t net) {
  const Schedule<T>& s = w.s;
  const Sizes& z = s.z;
  const std::int64_t d = z.d, e = z.e, n0 = z.n0(), n = z.width(i), k = z.width(i - 1), all = n * k,
                     rows = s.tile_rows(i);
  Carve<T> scratch{w.scratch};
  const T* gz = w.g.W_y(i, net);
  T *F = scratch.take(2 * d * rows * k), *gF = scratch.take(d * rows * k), *gR = scratch.take((n0 + 1) * d * k),
    *gzT = scratch.take(all * padded(e));
  std::fill_n(gR, (n0 + 1) * d * k, T(0));
  const PhiTable<const T*>& phi = s.phi[i];
  const PhiTable<T*>& g = w.phi[i];
  const T *R = s.R(i, net), *P = s.stack(i, net, 0), *b = s.b(i, net);
  // Transposed once, the cotangent is the right factor of all three gradients of Φ, which come out as [d, e].
  kernels<T>().transpose(gz, all, e, all, gzT);
  product<T>({1, d, e, all}, {s.W(i, net), 0, all, 1}, {gzT, 0, padded(e), 1}, 1, g.W[from_W], 0, e);
  product<T>({1, d, all, e}, {phi.W[from_W], 0, 1, d}, {gz, 0, all, 1}, w.g.W_beta[i], w.g.W(i, net), 0, all);
  for (std::int64_t j0 = 0; j0 < n; j0 += rows) {
    const std::int64_t tile = std::min(rows, n - j0), size = tile * k;
    const T* gtT = gzT + j0 * k * padded(e);
    const T* gt = gz + j0 * k;
    form_tile(s, i, net, j0, tile, F);
    product<T>({1, d, e, size}, {F, 0, size, 1}, {gtT, 0, padded(e), 1}, 1, g.W[from_WW], 0, e);
    product<T>({1, d, e, size}, {F + d * size, 0, size, 1}, {gtT, 0, padded(e), 1}, 1, g.W[from_bW], 0, e);
    product<T>({1, d, size, e}, {phi.W[from_WW], 0, 1, d}, {gt, 0, all, 1}, 0, gF, 0, size);
    product<T>({d, n0, tile, k}, {R, k, d * k, 1}, {gF, size, 1, k}, 1, w.chain + j0, (n0 + 1) * n, n);
    product<T>({d, n0, k, tile}, {P + j0, n0 * n, n, 1}, {gF, size, k, 1}, 1, gR, k, d * k);
    product<T>({1, d, size, e}, {phi.W[from_bW], 0, 1, d}, {gt, 0, all, 1}, 0, gF, 0, size);
    product<T>({d, 1, tile, k}, {R + n0 * d * k, k, k, 1}, {gF, size, 1, k}, 1, w.to.b[i] + j0, n, n);
    product<T>({d, 1, k, tile}, {b + j0, n, n, 1}, {gF, size, k, 1}, 1, gR + n0 * d * k, k, k);
  }
  right_factors_vjp(w, i, net, gR);
}

/// n_L = 1: one mix with the left factors of both terms. gP: cotangent of the prefixes, [d] rows of `gP_stride`
/// numbers.
template <class T>
void factored_weight_vjp(const Network<T>& w, int i, std::int64_t net, T* gP, std::int64_t gP_stride) {
  const Schedule<T>& s = w.s;
  const Sizes& z = s.z;
  const std::int64_t d = z.d, e = z.e, n0 = z.n0(), n = z.width(i), k = z.width(i - 1), all = n * k;
  Carve<T> scratch{w.scratch};
  T *Q = scratch.take(e * d), *gQ = scratch.take(e * d), *gc = scratch.take(n * d), *gc_b = scratch.take(n * d);
  const T* gz = w.g.W_y(i, net);
  const PhiTable<const T*>& phi = s.phi[i];
  const PhiTable<T*>& g = w.phi[i];
  const T *S = s.suffix(i - 1, net), *c = s.R(i, net);
  product<T>({1, e, d, all}, {gz, 0, all, 1}, {s.W(i, net), 0, 1, all}, 1, g.W[from_W], 0, d);
  product<T>({1, d, all, e}, {phi.W[from_W], 0, 1, d}, {gz, 0, all, 1}, w.g.W_beta[i], w.g.W(i, net), 0, all);
  for (std::int64_t j = 0; j < n; ++j) {
    product<T>({1, e, d, k}, {gz + j * k, 0, all, 1}, {S, 0, 1, k}, 0, gQ, 0, d);
    kernels<T>().factors_vjp(phi.W[from_WW], phi.W[from_bW], c + j * d, c + (n + j) * d, gQ, e, d, g.W[from_WW],
                             g.W[from_bW], gc + j * d, gc_b + j * d);
    left_factors(s, i, net, j, Q);
    product<T>({1, d, k, e}, {Q, 0, 1, d}, {gz + j * k, 0, all, 1}, 1, w.to.S[i - 1], 0, k);
  }
  const T *P = s.prefix(i, net), *b = s.b(i, net), *psi = s.psi.WW_below(i), *psi_b = s.psi.bW_below(i);
  T *g_psi = w.to.psi.WW_below(i), *g_psi_b = w.to.psi.bW_below(i), *gb = w.to.b[i];
  for (std::int64_t a = 0; a < d; ++a)
    for (std::int64_t j = 0; j < n; ++j) {
      const T ga = gc[j * d + a], gb_a = gc_b[j * d + a];
      for (std::int64_t q = 0; q < n0; ++q) {
        gP[a * gP_stride + q * n + j] += ga * psi[a * n0 + q];
        if (g_psi) g_psi[a * n0 + q] += ga * P[(a * n0 + q) * n + j];
      }
      gb[a * n + j] += gb_a * psi_b[a];
      if (g_psi_b) g_psi_b[a] += gb_a * b[a * n + j];
    }
}

/// W^(L) for n_L > 1: to the features. Its phis are stage 2's.
template <class T>
void last_weight_vjp(const Network<T>& w, std::int64_t net) {
  const Schedule<T>& s = w.s;
  const Sizes& z = s.z;
  const int L = z.L();
  const std::int64_t d = z.d, nL = z.nL(), n0 = z.n0(), n = z.width(L - 1), all = z.e * nL, columns = z.batch * n;
  const T* gz = w.v.last_W + net * n;
  product<T>({1, d * nL, n, all}, {w.v.phi_last, 0, 1, d * nL}, {gz, 0, columns, 1}, w.g.W_beta[L], w.g.W(L, net), 0,
             n);
  T* gR = w.scratch;
  for (std::int64_t q = 0; q <= n0; ++q)
    product<T>({1, d, n, all}, {s.left + (q * d * z.batch + net) * all, 0, z.batch * all, 1}, {gz, 0, columns, 1}, 0,
               gR + q * d * n, 0, n);
  right_factors_vjp(w, L, net, gR);
}

/// From the cotangent of [W]^(i,0) and B_i to those of W^(i), b^(i-1), and of layer i-1 (in `next`).
template <class T>
void chain_vjp(const Network<T>& w, int i, std::int64_t net) {
  const Schedule<T>& s = w.s;
  const Sizes& z = s.z;
  const std::int64_t d = z.d, n0 = z.n0(), n = z.width(i), k = z.width(i - 1), rows = n0 + 1;
  T* in = w.scratch;
  chain_input(s, i, net, in);
  product<T>({d, n, k, rows}, {w.chain, rows * n, 1, n}, {in, rows * k, k, 1}, 1, w.g.W(i, net), n * k, k);
  product<T>({d, rows, k, n}, {w.chain, rows * n, n, 1}, {s.W(i, net), n * k, k, 1}, 0, w.next, rows * k, k);
  for (std::int64_t c = 0; c < d; ++c)
    for (std::int64_t j = 0; j < k; ++j) w.to.b[i - 1][c * k + j] += w.next[(c * rows + n0) * k + j];
}

template <class T>
void network_vjp(Network<T> w, std::int64_t net) {
  const Schedule<T>& s = w.s;
  const Sizes& z = s.z;
  const int L = z.L();
  const std::int64_t d = z.d, n0 = z.n0();
  for (int t = 0; t < L; ++t) std::fill_n(w.to.S[t], d * z.suffix(t), T(0));
  for (int i = 1; i <= L; ++i) std::fill_n(w.to.b[i], d * z.width(i), T(0));
  end_vector_vjp<T>(s, net, w.v.x + net * EndVector(z).size, w.to, w.scratch);
  if (s.factored())
    factored_weight_vjp(w, L, net, w.to.S[0], n0);
  else
    last_weight_vjp(w, net);
  std::fill_n(w.chain, d * (n0 + 1) * z.width(L - 1), T(0));
  for (int i = L - 1; i >= 1; --i) {
    const std::int64_t n = z.width(i);
    stack_vjp(w, i, net);
    if (i > 1) {
      if (s.factored())
        factored_weight_vjp(w, i, net, w.chain, (n0 + 1) * n);
      else
        formed_weight_vjp(w, i, net);
      chain_vjp(w, i, net);
      std::swap(w.chain, w.next);
      continue;
    }
    const T beta = w.g.W_beta[1];
    T* gW = w.g.W(1, net);
    for (std::int64_t c = 0; c < d; ++c)
      for (std::int64_t j = 0; j < n; ++j)
        for (std::int64_t q = 0; q < n0; ++q) {
          T& to = gW[(c * n + j) * n0 + q];
          to = w.chain[(c * (n0 + 1) + q) * n + j] + (beta == T(0) ? T(0) : to);
        }
  }
  suffixes_vjp<T>(s, net, w.to.S, w.g.W, nullptr);
  for (int i = 1; i <= L; ++i) add_to<T>({w.g.b(i, net), w.g.b_beta[i]}, w.to.b[i], d * z.width(i));
}

template <class T>
std::int64_t network_scratch(const Schedule<T>& s) {
  const Sizes& z = s.z;
  const std::int64_t d = z.d, n0 = z.n0();
  std::int64_t most = std::max(padded(end_vector_scratch(z)), padded(d * n0 * n0) + padded(d * n0));
  for (int i = 1; i <= z.L(); ++i) most = std::max(most, padded(z.weight(i)));
  most = std::max(most, padded((n0 + 1) * d * z.width(z.L() - 1)));
  for (int i = 2; i <= s.last_inner(); ++i) {
    const std::int64_t k = z.width(i - 1), tile = s.tile_rows(i) * k;
    most = std::max(most, s.factored() ? 2 * padded(z.e * d) + 2 * padded(z.width(i) * d)
                                       : padded(2 * d * tile) + padded(d * tile) + padded((n0 + 1) * d * k) +
                                             z.weight(i) * padded(z.e));
    most = std::max(most, padded(d * (n0 + 1) * k));
  }
  return most;
}

}  // namespace

template <class T>
void walk_networks(const VjpState<T>& v, Arena& arena) {
  const Schedule<T>& s = v.s;
  const Sizes& z = s.z;
  const int L = z.L();
  std::int64_t widest = 0, stack = 0, suffix = 0, bias = 0;
  for (int i = 1; i < L; ++i) {
    widest = std::max(widest, z.width(i));
    stack = std::max(stack, s.stack_rows(i) * z.width(i));
  }
  for (int i = 0; i < L; ++i) suffix += padded(z.d * z.suffix(i));
  for (int i = 1; i <= L; ++i) bias += padded(z.d * z.width(i));
  const std::int64_t chain = z.d * (z.n0() + 1) * widest;
  const std::int64_t size = suffix + bias + 2 * padded(chain) + padded(stack) + network_scratch(s);
  PartialSums<T> sums(arena, z.batch, 3 * L + Psi<T>::kinds * (L + 1));
  auto* phi_offset = numbers<PhiTable<std::int64_t>>(arena, L + 1);
  auto* by_input = numbers<PhiTable<T*>>(arena, L + 1);  // as [d, e], where they are summed so
  for (int i = 2; i <= s.last_inner(); ++i)
    for (int m = 1; m <= 3; ++m) {
      if (!s.factored()) by_input[i].W[m] = numbers<T>(arena, z.e * z.d);
      phi_offset[i].W[m] = sums.add(s.factored() ? v.g.phi[i].W[m] : Grad<T>{by_input[i].W[m], 0}, z.e * z.d);
    }
  const PsiSums<T> psi_sums(sums, v.g.psi, z, arena);
  sums.allocate();

  struct Worker {
    T **S, **b;
    PhiTable<T*>* phi;
    Psi<T> psi;
    T* memory;
  };
  const int workers = threads();
  auto* all = numbers<Worker>(arena, workers);
  for (int i = 0; i < workers; ++i)
    all[i] = {numbers<T*>(arena, L), numbers<T*>(arena, L + 1), numbers<PhiTable<T*>>(arena, L + 1),
              PsiSums<T>::table(arena, L), numbers<T>(arena, size)};
  const int copies = s.reading.changes() ? workers : 0;
  const auto features = one_each<OneNetwork<T>>(arena, copies, z),
             cotangents = one_each<OneNetwork<T>>(arena, copies, z);
  T* zeros = numbers<T>(arena, L + 1);
  std::fill_n(zeros, L + 1, T(0));
  sums.run([&](std::int64_t begin, std::int64_t end, int worker, T* leaf) {
    Worker& mine = all[worker];
    Carve<T> memory{mine.memory};
    for (int t = 0; t < L; ++t) mine.S[t] = memory.take(z.d * z.suffix(t));
    for (int i = 1; i <= L; ++i) mine.b[i] = memory.take(z.d * z.width(i));
    for (int i = 2; i <= s.last_inner(); ++i)
      for (int m = 1; m <= 3; ++m) mine.phi[i].W[m] = leaf + phi_offset[i].W[m];
    psi_sums.point(mine.psi, leaf);
    T *first = memory.take(chain), *second = memory.take(chain), *rows = memory.take(stack);
    Schedule<T> view = s;
    LayerGradients<T> to = v.g;
    if (s.reading.changes()) to.collect_in(cotangents[static_cast<std::size_t>(worker)], zeros);
    const Network<T> w{v, view, to, {mine.S, mine.b, mine.psi}, mine.phi, first, second, rows, memory.at};
    for (std::int64_t net = begin; net < end; ++net) {
      if (s.reading.changes()) features[static_cast<std::size_t>(worker)].read(s, net, view);
      network_vjp(w, net);
      if (s.reading.changes()) v.g.take(s, net, cotangents[static_cast<std::size_t>(worker)], memory.at);
    }
  });
  for (int i = 2; i <= s.last_inner() && !s.factored(); ++i)
    for (int m = 1; m <= 3; ++m)
      for (std::int64_t c = 0; c < z.d; ++c) add_row(by_input[i].W[m] + c * z.e, z.e, v.g.phi[i].W[m], c, z.d);
}

template void walk_networks(const VjpState<float>&, Arena&);
template void walk_networks(const VjpState<double>&, Arena&);

}  // namespace weft::magep
