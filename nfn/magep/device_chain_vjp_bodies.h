#pragma once
// The backward kernels of E and I on a device that a team shares, see nfn/magep/device_schedule.h. Light: nvcc reads
// it.

#include "weft/nfn/magep/device_layers.h"

namespace weft::magep {

/// A team for each (layer, network, channel): LayerTerms backwards.
template <class T, int Lanes>
struct LayerTermsVjp {
  static constexpr const char* name = "magep terms";
  static constexpr int lanes = Lanes;
  std::int64_t scratch_bytes() const { return 0; }
  DeviceSizes z;
  const DeviceLayer<T>* layer;
  const DeviceGradient<T>* g;
  const T* gx;
  std::int64_t part_stride;  ///< from one network's partial sums to the next
};

/// A team for each (network, channel): Sweep backwards, but for what flows into the weights.
template <class T, int Lanes>
struct SweepVjp {
  static constexpr const char* name = "magep sweep";
  static constexpr int lanes = Lanes;
  std::int64_t scratch_bytes() const { return tile_bytes<T>; }
  DeviceSizes z;
  const DeviceLayer<T>* layer;
  const DeviceGradient<T>* g;
  const T* gx;
};

#define WEFT_MAGEP_VJP_TEAM_LOOPS(X)   \
  X(magep::LayerTermsVjp<float, 32>)   \
  X(magep::LayerTermsVjp<float, 256>)  \
  X(magep::LayerTermsVjp<double, 32>)  \
  X(magep::LayerTermsVjp<double, 256>) \
  X(magep::SweepVjp<float, 32>)        \
  X(magep::SweepVjp<float, 256>)       \
  X(magep::SweepVjp<double, 32>)       \
  X(magep::SweepVjp<double, 256>)

inline namespace WEFT_ISA {

/// What S_t, 0 < t < L, gets from the vector of layer L is an outer product with b^(t): number p of its left factor.
template <class T>
WEFT_HD T end_row(const DeviceSizes& z, const DeviceLayer<T>* layer, const T* gx, int t, int c, std::int64_t p) {
  const EndVector end(z);
  const std::int64_t row = std::int64_t{c} * z.nL() + p;
  return math::fma(gx[end.trace_bW + std::int64_t{c} * (z.L() - 1) + t - 1], layer[t].psi[5][row], gx[end.Wb + row]);
}

/// Ψ's partial sums of one network and channel; null where not wanted.
template <class T, int Lanes>
WEFT_HD T* psi_part(const LayerTermsVjp<T, Lanes>& s, const Place& here, int kind) {
  T* p = s.g[here.i].psi[kind];
  if (!p) return nullptr;
  const std::int64_t size = std::int64_t{s.z.nL()} * (kind % 2 == 0 ? s.z.n0() : 1);
  return p + here.net * s.part_stride + here.c * size;
}

/// From the cotangents of U, V and R of layer i > 1 to those of S_{i-1} and Ψ below.
template <class T, int Lanes, class Team>
WEFT_HD void factors_vjp(const LayerTermsVjp<T, Lanes>& s, const Team& team, const Place& here) {
  const DeviceSizes& z = s.z;
  const DeviceLayer<T>& l = s.layer[here.i];
  const int i = here.i, c = here.c, n = l.n, k = s.layer[i - 1].n, n0 = z.n0(), nL = z.nL();
  const std::int64_t net = here.net, matrix = std::int64_t{n0} * nL;
  T *g_psi = psi_part(s, here, 2), *g_psi_b = psi_part(s, here, 3);
  if (z.by_suffix()) {  // the cotangent of R is that of S_{i-1}
    const std::int64_t step = std::int64_t{z.d} * nL, first = (net * n * z.d + c) * nL;
    const T *gU = s.g[i].U + first, *gV = s.g[i].V + first, *b = of(z, l.b, n, net, c);
    const Grid<const T> P = prefix_of(z, s.layer, i, net, c);
    if (g_psi)
      team.each(matrix, [=](std::int64_t o) {
        const int q = static_cast<int>(quotient(o, nL));
        const T* column = gU + (o - std::int64_t{q} * nL);
        T sum = 0;
        for (int j = 0; j < n; ++j) sum = math::fma(P(q, j), column[j * step], sum);
        g_psi[o] = sum;
      });
    if (g_psi_b)
      team.each(nL, [=](std::int64_t p) {
        T sum = 0;
        for (int j = 0; j < n; ++j) sum = math::fma(b[j], gV[j * step + p], sum);
        g_psi_b[p] = sum;
      });
    return;
  }
  const T *gR = of<const T>(z, s.g[i].R, std::int64_t{n0 + 1} * k, net, c), *S = suffix_of(z, s.layer, i - 1, net, c),
          *psi = l.psi[2] + c * matrix, *psi_b = l.psi[3] + std::int64_t{c} * nL;
  T* gS = of(z, s.g[i - 1].S, std::int64_t{nL} * k, net, c);
  team.each(std::int64_t{nL} * k, [=](std::int64_t o) {
    const std::int64_t p = quotient(o, k), j = o - p * k;
    T sum = psi_b[p] * gR[std::int64_t{n0} * k + j];
    for (int q = 0; q < n0; ++q) sum = math::fma(psi[std::int64_t{q} * nL + p], gR[std::int64_t{q} * k + j], sum);
    gS[o] = sum;
  });
  team.each(matrix + nL, [=](std::int64_t o) {
    const std::int64_t q = quotient(o, nL), p = o - q * nL;
    T* to = q < n0 ? g_psi : g_psi_b;
    if (!to) return;
    T sum = 0;
    for (int j = 0; j < k; ++j) sum = math::fma(gR[q * k + j], S[p * k + j], sum);
    (q < n0 ? to[o] : to[p]) = sum;
  });
}

/// What a layer has that is mixed as a stack, or as the vector of layer L.
template <class T, int Lanes, class Team>
WEFT_HD void mixed_vjp(const LayerTermsVjp<T, Lanes>& s, const Team& team, const Place& here) {
  const DeviceSizes& z = s.z;
  const DeviceLayer<T>& l = s.layer[here.i];
  const DeviceGradient<T>& g = s.g[here.i];
  const int i = here.i, c = here.c, n = l.n, n0 = z.n0(), nL = z.nL(), r = z.rank();
  const std::int64_t net = here.net, matrix = std::int64_t{n0} * nL, step = std::int64_t{z.d} * r;
  const bool last = i == z.L(), below = z.equivariant && i > 1, by_suffix = z.by_suffix();
  const EndVector end(z);
  const T* gx = s.gx + net * z.end_size();
  const T *S0 = suffix_of(z, s.layer, 0, net, c), *b = of(z, l.b, n, net, c);
  const T *M = of<const T>(z, l.M, std::int64_t{n0} * n0, net, c), *m = of<const T>(z, l.m, n0, net, c);
  T *gM = of(z, g.M, std::int64_t{n0} * n0, net, c), *gm = of(z, g.m, n0, net, c);
  const Grid<const T> P = prefix_of(z, s.layer, i, net, c);
  const auto cotangent = [&](int part, std::int64_t offset) {
    return last ? end_part(z, s.gx, offset, net, c) : stack<const T>(z, g.X, n, part, net, c);
  };
  const Grid<const T> g_copy = cotangent(0, end.prefix), gWW = cotangent(1, end.WW), gbW = cotangent(2, end.bW);

  team.each(std::int64_t{n0} * (n0 + 1), [=](std::int64_t o) {
    const int q = static_cast<int>(quotient(o, n0)), k = static_cast<int>(o - std::int64_t{q} * n0);
    T sum = 0;
    if (q < n0)
      for (int j = 0; j < n; ++j) sum = math::fma(P(q, j), gWW(k, j), sum);
    else
      for (int j = 0; j < n; ++j) sum = math::fma(b[j], gbW(k, j), sum);
    (q < n0 ? gM[o] : gm[k]) = sum;
  });

  // To [W]^(i,0), which for i = L is S_0.
  const T *gU = below ? g.U + (net * n * z.d + c) * r : nullptr, *psi = below ? l.psi[2] + c * matrix : nullptr;
  T *chain = last ? nullptr : of(z, g.chain, std::int64_t{n0 + 1} * n, net, c), *gS0 = of(z, g.S_parts, matrix, net, c);
  team.each(std::int64_t{n0} * n, [=](std::int64_t o) {
    const int q = static_cast<int>(quotient(o, n)), j = static_cast<int>(o - std::int64_t{q} * n);
    T sum = g_copy(q, j);
    for (int k = 0; k < n0; ++k) sum = math::fma(M[std::int64_t{q} * n0 + k], gWW(k, j), sum);
    if (below && by_suffix)
      for (int p = 0; p < nL; ++p) sum = math::fma(psi[std::int64_t{q} * nL + p], gU[j * step + p], sum);
    else if (below)
      sum += gU[j * step + q];
    if (last)
      gS0[std::int64_t{j} * n0 + q] = sum;
    else
      chain[o] = sum;
  });

  // To b^(i), and on from B_i.
  const T *gV = below ? g.V + (net * n * z.d + c) * r : nullptr, *psi_b = below ? l.psi[3] + c * nL : nullptr,
          *g_b = last ? gx + end.b + std::int64_t{c} * nL : stack_b<const T>(z, g.X, i, n, net, c),
          *gB = last || i == 1 ? nullptr : stack_Wb<const T>(z, g.X, n, net, c);
  T* gb = of(z, g.b, n, net, c);
  team.each(n, [=](std::int64_t j) {
    T sum = g_b[j];
    for (int q = 0; q < n0; ++q) sum = math::fma(m[q], gbW(q, static_cast<int>(j)), sum);
    if (below && by_suffix)
      for (int p = 0; p < nL; ++p) sum = math::fma(psi_b[p], gV[j * step + p], sum);
    else if (below)
      sum += gV[j * step + n0];
    gb[j] = sum;
    if (gB) chain[std::int64_t{n0} * n + j] = gB[j];
  });

  // Through M and m to S_0 and Ψ.
  const T *psi0 = l.psi[0] + c * matrix, *psi0_b = l.psi[1] + c * nL;
  team.each(matrix, [=](std::int64_t o) {
    const std::int64_t p = quotient(o, n0), q = o - p * n0;
    T sum = last ? gS0[o] : T(0);
    for (int k = 0; k < n0; ++k) sum = math::fma(psi0[std::int64_t{k} * nL + p], gM[std::int64_t{k} * n0 + q], sum);
    gS0[o] = math::fma(psi0_b[p], gm[q], sum);
  });
  T *g_psi = psi_part(s, here, 0), *g_psi_b = psi_part(s, here, 1);
  team.each(matrix + nL, [=](std::int64_t o) {
    const std::int64_t q = quotient(o, nL), p = o - q * nL;
    T* to = q < n0 ? g_psi : g_psi_b;
    if (!to) return;
    const T* row = q < n0 ? gM + q * n0 : gm;
    T sum = 0;
    for (int k = 0; k < n0; ++k) sum = math::fma(row[k], S0[p * n0 + k], sum);
    (q < n0 ? to[o] : to[p]) = sum;
  });
  if (below) factors_vjp(s, team, here);
}

/// The traces of layer i < L, and its b^(i) in Σ_t [Wb]^(L,t). `mixed`: what mixed_vjp() wrote is added to.
template <class T, int Lanes, class Team>
WEFT_HD void traces_vjp(const LayerTermsVjp<T, Lanes>& s, const Team& team, const Place& here, bool mixed) {
  const DeviceSizes& z = s.z;
  const DeviceLayer<T>& l = s.layer[here.i];
  const DeviceGradient<T>& g = s.g[here.i];
  const DeviceLayer<T>* layer = s.layer;
  const int i = here.i, c = here.c, n = l.n, n0 = z.n0(), nL = z.nL();
  const std::int64_t net = here.net, matrix = std::int64_t{n0} * nL;
  const EndVector end(z);
  const T* gx = s.gx + net * z.end_size();
  const std::int64_t trace = std::int64_t{c} * (z.L() - 1) + i - 1;
  const T of_WW = gx[end.trace_WW + trace], of_bW = gx[end.trace_bW + trace];
  const T *S0 = suffix_of(z, layer, 0, net, c), *S = suffix_of(z, layer, i, net, c), *b = of(z, l.b, n, net, c),
          *psi = l.psi[4] + c * matrix;
  T *gb = of(z, g.b, n, net, c), *gS0 = of(z, g.S_parts, matrix, net, c);
  team.each(n, [=](std::int64_t j) {
    T sum = mixed ? gb[j] : T(0);
    for (int p = 0; p < nL; ++p) sum = math::fma(end_row(z, layer, gx, i, c, p), S[std::int64_t{p} * n + j], sum);
    gb[j] = sum;
  });
  team.each(matrix, [=](std::int64_t o) {
    const std::int64_t p = quotient(o, n0), q = o - p * n0;
    gS0[o] = math::fma(of_WW, psi[q * nL + p], mixed ? gS0[o] : T(0));
  });
  T *g_psi = psi_part(s, here, 4), *g_psi_b = psi_part(s, here, 5);
  if (g_psi)
    team.each(matrix, [=](std::int64_t o) {
      const std::int64_t q = quotient(o, nL), p = o - q * nL;
      g_psi[o] = of_WW * S0[p * n0 + q];
    });
  if (g_psi_b)
    team.each(nL, [=](std::int64_t p) {
      T sum = 0;
      for (int j = 0; j < n; ++j) sum = math::fma(S[p * n + j], b[j], sum);
      g_psi_b[p] = of_bW * sum;
    });
}

template <class T, int Lanes, class Team>
WEFT_HD void loop_row(const LayerTermsVjp<T, Lanes>& s, const Team& team, std::int64_t at, void*) {
  const Place here(s.z, at);
  const bool last = here.i == s.z.L(), mixed = s.z.equivariant || last;
  if (mixed) mixed_vjp(s, team, here);
  if (!last) traces_vjp(s, team, here, mixed);
}

template <class T, int Lanes, class Team>
WEFT_HD void loop_row(const SweepVjp<T, Lanes>& s, const Team& team, std::int64_t at, void* scratch) {
  const DeviceSizes& z = s.z;
  const DeviceLayer<T>* layer = s.layer;
  const DeviceGradient<T>* g = s.g;
  const int c = static_cast<int>(at % z.d), L = z.L(), n0 = z.n0(), nL = z.nL();
  const std::int64_t net = at / z.d, matrix = std::int64_t{n0} * nL;
  const T* gx = s.gx + net * z.end_size();
  T* gS0 = of(z, g[0].S, matrix, net, c);
  team.each(matrix, [=](std::int64_t o) {
    T sum = 0;
    for (int i = 1; i <= L; ++i) sum += of<const T>(z, g[i].S_parts, matrix, net, c)[o];
    gS0[o] = sum;
  });
  for (int t = 1; t < L; ++t) {
    const int n = layer[t].n, k = layer[t - 1].n;
    const T *from = of<const T>(z, g[t - 1].S, std::int64_t{nL} * k, net, c), *b = of(z, layer[t].b, n, net, c);
    T* to = of(z, g[t].S, std::int64_t{nL} * n, net, c);
    const bool there = z.equivariant;  // what came by R_{t+1}
    const auto in = [=](int p, int j) { return from[std::int64_t{p} * k + j]; };
    const auto out = [=](int p, int j, T sum, bool first) {
      T& y = to[std::int64_t{p} * n + j];
      if (first) sum = math::fma(end_row(z, layer, gx, t, c, p), b[j], sum);
      y = first && !there ? sum : y + sum;
    };
    times_rows(team, of(z, layer[t].W, std::int64_t{n} * k, net, c), n, k, nL, in, out, static_cast<T*>(scratch));
  }
  for (int i = L - 1; z.equivariant && i > 1; --i) {
    const int n = layer[i].n, k = layer[i - 1].n;
    const T *from = of<const T>(z, g[i].chain, std::int64_t{n0 + 1} * n, net, c),
            *W = of(z, layer[i].W, std::int64_t{n} * k, net, c);
    T *to = of(z, g[i - 1].chain, std::int64_t{n0 + 1} * k, net, c), *gb = of(z, g[i - 1].b, k, net, c);
    team.each(std::int64_t{n0 + 1} * k, [=](std::int64_t o) {
      const std::int64_t q = quotient(o, k), column = o - q * k;
      T sum = 0;
      for (int j = 0; j < n; ++j) sum = math::fma(from[q * n + j], W[std::int64_t{j} * k + column], sum);
      if (q == n0) gb[column] += sum;
      if (q < n0 || i > 2) to[o] += sum;  // B_1 = 0
    });
  }
}

}  // namespace WEFT_ISA
}  // namespace weft::magep
