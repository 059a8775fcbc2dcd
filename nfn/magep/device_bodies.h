#pragma once
// The forward kernels of E and I on a device, see nfn/magep/device_schedule.h. Light: nvcc reads it.

#include "weft/nfn/magep/device_layers.h"
#include "weft/nfn/reading_bodies.h"

namespace weft::magep {

/// Every number of every weight and bias: W and b from the inputs.
template <class T>
struct ReadInputs {
  static constexpr const char* name = "magep read";
  DeviceSizes z;
  const DeviceLayer<T>* layer;
  schedule::ReadRule<T> rule;
};

/// A team for each (network, channel): S_t, and for E [W]^(i,0) and B_i.
template <class T, int Lanes>
struct Sweep {
  static constexpr const char* name = "magep sweep";
  static constexpr int lanes = Lanes;
  std::int64_t scratch_bytes() const { return tile_bytes<T>; }
  DeviceSizes z;
  const DeviceLayer<T>* layer;
};

/// A team for each (layer, network, channel): what is made of one layer's chains, and its part of the vectors x of
/// layer L.
template <class T, int Lanes>
struct LayerTerms {
  static constexpr const char* name = "magep terms";
  static constexpr int lanes = Lanes;
  std::int64_t scratch_bytes() const { return 0; }
  DeviceSizes z;
  const DeviceLayer<T>* layer;
  T* x;
};

/// A team for each row (layer > 1, network, e, j) of T, [d, rank].
template <class T>
struct LeftFactors {
  static constexpr const char* name = "magep left factors";
  static constexpr int lanes = 32;
  std::int64_t scratch_bytes() const { return 0; }
  DeviceSizes z;
  const DeviceLayer<T>* layer;
  T* left;
};

/// Every number of the outputs W^(1) and b^(i), i < L, from Y_i = M_i X_i, [mix_rows, batch, n_i], one after another.
template <class T>
struct HiddenOutputs {
  static constexpr const char* name = "magep outputs";
  DeviceSizes z;
  const DeviceLayer<T>* layer;
  const T* Y;
};

#define WEFT_MAGEP_LOOPS(X)   \
  X(magep::ReadInputs<float>) \
  X(magep::ReadInputs<double>) X(magep::HiddenOutputs<float>) X(magep::HiddenOutputs<double>)
#define WEFT_MAGEP_TEAM_LOOPS(X)    \
  X(magep::Sweep<float, 32>)        \
  X(magep::Sweep<float, 256>)       \
  X(magep::Sweep<double, 32>)       \
  X(magep::Sweep<double, 256>)      \
  X(magep::LayerTerms<float, 32>)   \
  X(magep::LayerTerms<float, 256>)  \
  X(magep::LayerTerms<double, 32>)  \
  X(magep::LayerTerms<double, 256>) \
  X(magep::LeftFactors<float>)      \
  X(magep::LeftFactors<double>)

inline namespace WEFT_ISA {

template <class T>
WEFT_HD void loop_at(const ReadInputs<T>& s, std::int64_t at) {
  const std::int64_t features = s.z.batch * s.z.d;
  for (int i = 1;; ++i) {
    const DeviceLayer<T>& l = s.layer[i];
    const std::int64_t weight = std::int64_t{l.n} * s.layer[i - 1].n, weights = features * weight;
    if (at < weights) {
      const T y = activate(s.rule, l.W_input[at]);
      l.W_read[at] = l.uniform ? mask(s.rule, l.uniform[quotient(at, weight)]) * y : y;
      return;
    }
    at -= weights;
    if (at < features * l.n) {
      l.b_read[at] = activate(s.rule, l.b_input[at]);
      return;
    }
    at -= features * l.n;
  }
}

template <class T, int Lanes, class Team>
WEFT_HD void loop_row(const Sweep<T, Lanes>& s, const Team& team, std::int64_t at, void* scratch) {
  const DeviceSizes& z = s.z;
  const DeviceLayer<T>* layer = s.layer;
  const int c = static_cast<int>(at % z.d), n0 = z.n0();
  const std::int64_t net = at / z.d;
  for (int t = z.L() - 2; t >= 0; --t) {
    const int n = layer[t].n, m = layer[t + 1].n;
    const T* left = suffix_of(z, layer, t + 1, net, c);
    const T* W = of(z, layer[t + 1].W, std::int64_t{m} * n, net, c);
    T* S = of(z, layer[t].S, std::int64_t{z.nL()} * n, net, c);
    team.each(std::int64_t{z.nL()} * n, [=](std::int64_t o) {
      const std::int64_t p = quotient(o, n);
      const T *row = left + p * m, *column = W + (o - p * n);
      T sum = 0;
      for (int k = 0; k < m; ++k) sum = math::fma(row[k], column[std::int64_t{k} * n], sum);
      S[o] = sum;
    });
  }
  for (int i = 2; z.equivariant && i < z.L(); ++i) {
    const int n = layer[i].n, k = layer[i - 1].n;
    const Grid<const T> P = prefix_of(z, layer, i - 1, net, c);
    const Grid<T> to = stack(z, layer[i].X, n, 0, net, c);
    const T* b = of<const T>(z, layer[i - 1].b, k, net, c);
    const T* B = i > 2 ? stack_Wb<const T>(z, layer[i - 1].X, k, net, c) : nullptr;
    T* B_to = stack_Wb(z, layer[i].X, n, net, c);
    const auto in = [=](int q, int j) { return q < n0 ? P(q, j) : B ? b[j] + B[j] : b[j]; };
    const auto out = [=](int q, int j, T sum, bool first) {
      T& y = q < n0 ? to(q, j) : B_to[j];
      y = first ? sum : y + sum;
    };
    times_rows(team, of(z, layer[i].W, std::int64_t{n} * k, net, c), n, k, n0 + 1, in, out, static_cast<T*>(scratch));
  }
}

/// U, V and R of layer i > 1.
template <class T, class Team>
WEFT_HD void factors(const DeviceSizes& z, const DeviceLayer<T>* layer, const Team& team, int i, std::int64_t net,
                     int c) {
  const DeviceLayer<T>& l = layer[i];
  const int n = l.n, k = layer[i - 1].n, n0 = z.n0(), nL = z.nL(), r = z.rank();
  const bool by_suffix = z.by_suffix();
  const Grid<const T> P = prefix_of(z, layer, i, net, c);
  const T *b = of(z, l.b, n, net, c), *psi = l.psi[2] + std::int64_t{c} * n0 * nL, *psi_b = l.psi[3] + c * nL;
  T *U = l.U + (net * n * z.d + c) * r, *V = l.V + (net * n * z.d + c) * r;
  const std::int64_t step = std::int64_t{z.d} * r;
  team.each(std::int64_t{n} * r, [=](std::int64_t o) {
    const int j = static_cast<int>(quotient(o, r)), p = static_cast<int>(o - std::int64_t{j} * r);
    T u = 0, v = 0;
    if (by_suffix) {
      for (int q = 0; q < n0; ++q) u = math::fma(P(q, j), psi[std::int64_t{q} * nL + p], u);
      v = b[j] * psi_b[p];
    } else if (p < n0) {
      u = P(p, j);
    } else {
      v = b[j];
    }
    U[j * step + p] = u;
    V[j * step + p] = v;
  });
  if (by_suffix) return;
  const T* S = suffix_of(z, layer, i - 1, net, c);
  T* R = of(z, l.R, std::int64_t{r} * k, net, c);
  team.each(std::int64_t{r} * k, [=](std::int64_t o) {
    const std::int64_t q = quotient(o, k), j = o - q * k;
    const T* row = q < n0 ? psi + q * nL : psi_b;
    T sum = 0;
    for (int p = 0; p < nL; ++p) sum = math::fma(row[p], S[std::int64_t{p} * k + j], sum);
    R[o] = sum;
  });
}

template <class T, int Lanes, class Team>
WEFT_HD void loop_row(const LayerTerms<T, Lanes>& s, const Team& team, std::int64_t at, void*) {
  const DeviceSizes& z = s.z;
  const DeviceLayer<T>* layer = s.layer;
  const Place here(z, at);
  const int i = here.i, c = here.c, L = z.L(), n0 = z.n0(), nL = z.nL(), n = layer[i].n;
  const std::int64_t net = here.net;
  const bool last = i == L;
  const EndVector end(z);
  const DeviceLayer<T>& l = layer[i];
  const T *S0 = suffix_of(z, layer, 0, net, c), *b = of(z, l.b, n, net, c);
  T* x = s.x + net * z.end_size();

  if (z.equivariant || last) {
    const T *psi = l.psi[0] + std::int64_t{c} * n0 * nL, *psi_b = l.psi[1] + c * nL;
    T *M = of(z, l.M, std::int64_t{n0} * n0, net, c), *m = of(z, l.m, n0, net, c);
    team.each(std::int64_t{n0} * (n0 + 1), [=](std::int64_t o) {
      const std::int64_t q = quotient(o, n0), k = o - q * n0;
      const T* row = q < n0 ? psi + q * nL : psi_b;
      T sum = 0;
      for (int p = 0; p < nL; ++p) sum = math::fma(row[p], S0[std::int64_t{p} * n0 + k], sum);
      (q < n0 ? M[o] : m[k]) = sum;
    });
    const Grid<const T> P = prefix_of(z, layer, i, net, c);
    const Grid<T> copy = last ? end_part(z, s.x, end.prefix, net, c) : stack(z, l.X, n, 0, net, c),
                  WW = last ? end_part(z, s.x, end.WW, net, c) : stack(z, l.X, n, 1, net, c),
                  bW = last ? end_part(z, s.x, end.bW, net, c) : stack(z, l.X, n, 2, net, c);
    T* b_to = last ? x + end.b + c * nL : stack_b(z, l.X, i, n, net, c);
    team.each(std::int64_t{n0} * n, [=](std::int64_t o) {
      const int q = static_cast<int>(quotient(o, n)), j = static_cast<int>(o - std::int64_t{q} * n);
      T sum = 0;
      for (int k = 0; k < n0; ++k) sum = math::fma(M[std::int64_t{k} * n0 + q], P(k, j), sum);
      WW(q, j) = sum;
      bW(q, j) = m[q] * b[j];
      if (last || i == 1) copy(q, j) = P(q, j);  // else Sweep wrote it there
    });
    team.each(n, [=](std::int64_t j) { b_to[j] = b[j]; });
    if (z.equivariant && i > 1) factors(z, layer, team, i, net, c);
  }

  if (!last) {
    const T *psi = l.psi[4] + std::int64_t{c} * n0 * nL, *psi_b = l.psi[5] + c * nL;
    const T* S = suffix_of(z, layer, i, net, c);
    const T of_WW = team.template sum<T>(std::int64_t{nL} * n0, [=](std::int64_t o) {
      const std::int64_t p = quotient(o, n0), q = o - p * n0;
      return psi[q * nL + p] * S0[o];
    });
    const T of_bW = team.template sum<T>(std::int64_t{nL} * n, [=](std::int64_t o) {
      const std::int64_t p = quotient(o, n);
      return psi_b[p] * S[o] * b[o - p * n];
    });
    team.each(1, [=](std::int64_t) {
      x[end.trace_WW + std::int64_t{c} * (L - 1) + i - 1] = of_WW;
      x[end.trace_bW + std::int64_t{c} * (L - 1) + i - 1] = of_bW;
    });
    return;
  }
  team.each(nL, [=](std::int64_t p) {
    T sum = 0;
    for (int t = 1; t < L; ++t) {
      const int width = layer[t].n;
      const T *S = suffix_of(z, layer, t, net, c) + p * width, *right = of<const T>(z, layer[t].b, width, net, c);
      for (int j = 0; j < width; ++j) sum = math::fma(S[j], right[j], sum);
    }
    x[end.Wb + c * nL + p] = sum;
    if (c == 0 && p == 0) x[end.size] = T(1);
  });
}

template <class T, class Team>
WEFT_HD void loop_row(const LeftFactors<T>& s, const Team& team, std::int64_t at, void*) {
  const DeviceSizes& z = s.z;
  T* to = s.left + at * z.d * z.rank();
  int i = 2;
  for (; at >= z.batch * z.e * s.layer[i].n; ++i) at -= z.batch * z.e * s.layer[i].n;
  const DeviceLayer<T>& l = s.layer[i];
  const int n = l.n, r = z.rank(), d = z.d;
  const std::int64_t row = at / n, net = row / z.e, columns = std::int64_t{d} * r;
  const int j = static_cast<int>(at - row * n), e = static_cast<int>(row - net * z.e);
  const T *U = l.U + net * n * columns, *V = l.V + net * n * columns;
  if (i < z.L()) {
    const T *mix2 = l.mix2 + std::int64_t{e} * d, *mix3 = l.mix3 + std::int64_t{e} * d;
    team.each(columns, [=](std::int64_t o) {
      const std::int64_t c = quotient(o, r);
      to[o] = math::fma(mix2[c], U[j * columns + o], mix3[c] * V[j * columns + o]);
    });
  } else {
    const std::int64_t first = (std::int64_t{e} * n + j) * n * d;
    const T *mix2 = l.mix2 + first, *mix3 = l.mix3 + first;
    team.each(columns, [=](std::int64_t o) {
      const std::int64_t c = quotient(o, r);
      T sum = 0;
      for (std::int64_t p = 0; p < n; ++p) {
        sum = math::fma(mix2[p * d + c], U[p * columns + o], sum);
        sum = math::fma(mix3[p * d + c], V[p * columns + o], sum);
      }
      to[o] = sum;
    });
  }
}

template <class T>
WEFT_HD void loop_at(const HiddenOutputs<T>& s, std::int64_t at) {
  const DeviceSizes& z = s.z;
  const T y = s.Y[at];
  int i = 1;
  for (; at >= z.batch * z.mix_rows(i) * s.layer[i].n; ++i) at -= z.batch * z.mix_rows(i) * s.layer[i].n;
  const DeviceLayer<T>& l = s.layer[i];
  const std::int64_t n = l.n, row = quotient(at, n), j = at - row * n, e = quotient(row, z.batch),
                     net = row - e * z.batch;
  const std::int64_t first = i == 1 ? std::int64_t{z.e} * z.n0() : 0;
  if (e >= first) {
    l.b_out[(net * z.e + e - first) * n + j] = y;
  } else {
    const std::int64_t channel = quotient(e, z.n0()), k = e - channel * z.n0();
    l.W_out[((net * z.e + channel) * n + j) * z.n0() + k] = y;
  }
}

}  // namespace WEFT_ISA
}  // namespace weft::magep
