#pragma once
// The backward kernels of E and I on a device, see nfn/magep/device_schedule.h. Light: nvcc reads it.

#include "weft/nfn/magep/device_layers.h"
#include "weft/nfn/reading_bodies.h"

namespace weft::magep {

/// Every number of the cotangents of Y_i, i < L, as HiddenOutputs has them.
template <class T>
struct HiddenCotangents {
  static constexpr const char* name = "magep cotangents";
  DeviceSizes z;
  const DeviceLayer<T>* layer;
  const DeviceGradient<T>* g;
  T* Y;
};

/// Every number of U and V, then of this network's part of Φ2 and Φ3 of W^(i), for i > 1, from the cotangent of T.
template <class T>
struct LeftVjp {
  static constexpr const char* name = "magep left factors";
  DeviceSizes z;
  const DeviceLayer<T>* layer;
  const DeviceGradient<T>* g;
  const T* left;             ///< cotangent of T, as LeftFactors has it
  std::int64_t part_stride;  ///< from one network's partial sums to the next
};

/// Every number of the gradients of the inputs: for W^(i) with what both sweeps give, which are products of thin
/// matrices.
template <class T>
struct InputGradients {
  static constexpr const char* name = "magep gradients";
  DeviceSizes z;
  const DeviceLayer<T>* layer;
  const DeviceGradient<T>* g;
  schedule::ReadRule<T> rule;
};

#define WEFT_MAGEP_VJP_LOOPS(X)      \
  X(magep::HiddenCotangents<float>)  \
  X(magep::HiddenCotangents<double>) \
  X(magep::LeftVjp<float>)           \
  X(magep::LeftVjp<double>)          \
  X(magep::InputGradients<float>)    \
  X(magep::InputGradients<double>)

inline namespace WEFT_ISA {

template <class T>
WEFT_HD void loop_at(const HiddenCotangents<T>& s, std::int64_t at) {
  const DeviceSizes& z = s.z;
  T& to = s.Y[at];
  int i = 1;
  for (; at >= z.batch * z.mix_rows(i) * s.layer[i].n; ++i) at -= z.batch * z.mix_rows(i) * s.layer[i].n;
  const DeviceGradient<T>& g = s.g[i];
  const std::int64_t n = s.layer[i].n, row = quotient(at, n), j = at - row * n, e = quotient(row, z.batch),
                     net = row - e * z.batch, first = i == 1 ? std::int64_t{z.e} * z.n0() : 0;
  if (e >= first) {
    to = g.b_out[(net * z.e + e - first) * n + j];
  } else {
    const std::int64_t channel = quotient(e, z.n0()), k = e - channel * z.n0();
    to = g.W_out[((net * z.e + channel) * n + j) * z.n0() + k];
  }
}

/// Number `at` of U and V of a layer, from the cotangent of its T.
template <class T>
WEFT_HD void left_cotangent(const DeviceSizes& z, const DeviceLayer<T>& l, const DeviceGradient<T>& g, const T* left,
                            bool last, std::int64_t at) {
  const std::int64_t n = l.n, columns = std::int64_t{z.d} * z.rank(), row = quotient(at, columns),
                     o = at - row * columns, net = quotient(row, n), j = row - net * n, c = quotient(o, z.rank());
  const T* gT = left + net * z.e * n * columns + o;
  T u = 0, v = 0;
  if (!last) {
    for (int e = 0; e < z.e; ++e) {
      const T x = gT[(e * n + j) * columns];
      u = math::fma(l.mix2[std::int64_t{e} * z.d + c], x, u);
      v = math::fma(l.mix3[std::int64_t{e} * z.d + c], x, v);
    }
  } else {
    const T *mix2 = l.mix2 + j * z.d + c, *mix3 = l.mix3 + j * z.d + c;
    for (std::int64_t e = 0; e < z.e * n; ++e) {
      const T x = gT[e * columns];
      u = math::fma(mix2[e * n * z.d], x, u);
      v = math::fma(mix3[e * n * z.d], x, v);
    }
  }
  g.U[at] = u;
  g.V[at] = v;
}

template <class T>
WEFT_HD void loop_at(const LeftVjp<T>& s, std::int64_t at) {
  const DeviceSizes& z = s.z;
  const int L = z.L(), r = z.rank();
  const std::int64_t columns = std::int64_t{z.d} * r;
  const T* left = s.left;
  for (int i = 2; i <= L; ++i) {
    const std::int64_t size = z.batch * s.layer[i].n * columns;
    if (at < size) return left_cotangent(z, s.layer[i], s.g[i], left, i == L, at);
    at -= size;
    left += size * z.e;
  }
  left = s.left;
  for (int i = 2;; ++i) {
    const DeviceLayer<T>& l = s.layer[i];
    const std::int64_t n = l.n, rows = i < L ? z.e : z.e * n * n, size = z.batch * rows * z.d;
    if (at >= size) {
      at -= size;
      left += z.batch * z.e * n * columns;
      continue;
    }
    const std::int64_t row = quotient(at, z.d), c = at - row * z.d, net = quotient(row, rows), m = row - net * rows;
    const T *gT = left + net * z.e * n * columns + c * r, *U = l.U + net * n * columns + c * r,
            *V = l.V + net * n * columns + c * r;
    T of2 = 0, of3 = 0;
    if (i < L) {  // m is e
      for (std::int64_t j = 0; j < n; ++j)
        for (int p = 0; p < r; ++p) {
          const T x = gT[(m * n + j) * columns + p];
          of2 = math::fma(x, U[j * columns + p], of2);
          of3 = math::fma(x, V[j * columns + p], of3);
        }
    } else {  // m is (e, j, p)
      const std::int64_t e = quotient(m, n), p = m - e * n;
      for (int q = 0; q < r; ++q) {
        const T x = gT[e * columns + q];
        of2 = math::fma(x, U[p * columns + q], of2);
        of3 = math::fma(x, V[p * columns + q], of3);
      }
    }
    const std::int64_t to = net * s.part_stride + m * z.d + c;
    s.g[i].mix2[to] = of2;
    s.g[i].mix3[to] = of3;
    return;
  }
}

/// The cotangent of number (j, k) of W^(i) as read.
template <class T>
WEFT_HD T weight_cotangent(const InputGradients<T>& s, int i, std::int64_t net, int c, int j, int k) {
  const DeviceSizes& z = s.z;
  const DeviceLayer<T>* layer = s.layer;
  const DeviceGradient<T>* g = s.g;
  const int n = layer[i].n, width = layer[i - 1].n, n0 = z.n0();
  const std::int64_t at = std::int64_t{j} * width + k;
  T sum = g[i].W ? of(z, g[i].W, std::int64_t{n} * width, net, c)[at] : T(0);
  const T* gS = of<const T>(z, g[i - 1].S, std::int64_t{z.nL()} * width, net, c);
  if (i == z.L()) return sum + gS[at];
  const T* S = suffix_of(z, layer, i, net, c);
  for (int p = 0; p < z.nL(); ++p) sum = math::fma(S[std::int64_t{p} * n + j], gS[std::int64_t{p} * width + k], sum);
  if (!z.equivariant) return sum;
  const T* chain = of<const T>(z, g[i].chain, std::int64_t{n0 + 1} * n, net, c);
  if (i == 1) return sum + chain[std::int64_t{k} * n + j];
  const Grid<const T> P = prefix_of(z, layer, i - 1, net, c);
  for (int q = 0; q < n0; ++q) sum = math::fma(chain[std::int64_t{q} * n + j], P(q, k), sum);
  T b = of(z, layer[i - 1].b, width, net, c)[k];
  if (i > 2) b += stack_Wb<const T>(z, layer[i - 1].X, width, net, c)[k];
  return math::fma(chain[std::int64_t{n0} * n + j], b, sum);
}

template <class T>
WEFT_HD void loop_at(const InputGradients<T>& s, std::int64_t at) {
  const DeviceSizes& z = s.z;
  const std::int64_t features = z.batch * z.d;
  for (int i = 1;; ++i) {
    const DeviceLayer<T>& l = s.layer[i];
    const DeviceGradient<T>& g = s.g[i];
    const std::int64_t width = s.layer[i - 1].n, weight = l.n * width, weights = features * weight;
    if (at < weights) {
      if (!g.W_to) return;
      const std::int64_t row = quotient(at, weight), rest = at - row * weight, j = quotient(rest, width),
                         net = quotient(row, z.d);
      const T slope = activation_slope(s.rule, l.W_input[at]), scale = l.uniform ? mask(s.rule, l.uniform[row]) : T(1);
      const T cotangent = weight_cotangent(s, i, net, static_cast<int>(row - net * z.d), static_cast<int>(j),
                                           static_cast<int>(rest - j * width));
      return schedule::take_gradient(scale * cotangent, slope, g.W_to + at, g.W_beta);
    }
    at -= weights;
    if (at < features * l.n) {
      if (g.b_to) schedule::take_gradient(g.b[at], activation_slope(s.rule, l.b_input[at]), g.b_to + at, g.b_beta);
      return;
    }
    at -= features * l.n;
  }
}

}  // namespace WEFT_ISA
}  // namespace weft::magep
