#pragma once
// The backward kernels of E and I on a device outside the global terms, see nfn/transformer/device_schedule.h. Light:
// nvcc reads it.

#include "weft/core/math.h"
#include "weft/nfn/transformer/device_block.h"

namespace weft::transformer {

/// Cotangents of E's outputs, and these as the products read them.
template <class T>
struct DeviceCotangents {
  const T* of[tensors];
  T* heads[3];  ///< as DeviceBlock's, with e channels
  T* columns;   ///< [batch, A, 2 e + e D]
  T* rows;      ///< row sums of WA's [batch, e, D]
  T* lines;     ///< row sums of WO's [batch, e, h Dv]
  T* y;         ///< of the global terms [batch, 2 e + 2 e D]
};

/// A team for each (network, e): all of that.
template <class T>
struct GatherCotangents {
  static constexpr const char* name = "transformer cotangents of outputs";
  static constexpr int lanes = 256;
  std::int64_t scratch_bytes() const { return 0; }
  Sizes z;
  DeviceCotangents<T> g;
};

/// Every number that is packed: the gradients of E's smaller phis.
template <class T>
struct UnpackPhis {
  static constexpr const char* name = "transformer unpack";
  static constexpr int registers = 128;
  Sizes z;
  const T *packed, *parts;  ///< parts [batch, AxisSizes::summed()]
  T* to[axis_phis];         ///< null where not wanted
  std::uint32_t beta;       ///< bit of a phi: to is added to
};

/// Every number of the gradients of the inputs.
template <class T>
struct BlockGradient {
  static constexpr const char* name = "transformer gradients";
  DeviceBlock<T> block;
  const T* x;          ///< cotangents of the vectors of the global terms
  const T *Q, *K, *V;  ///< as DeviceBlock's
  const T* O;          ///< of WO by [VO] [batch, d, h Dv, D]
  bool equivariant;    ///< E; else none of what follows
  DeviceCotangents<T> g;
  const T* heads[3];  ///< as DeviceBlock's
  const T *by_row, *by_column;
  const T *mix_WA, *mix_WO, *mix_WO_sum;
  T* to[tensors];  ///< null where not wanted
  T beta[tensors];
};

#define WEFT_TRANSFORMER_VJP_LOOPS(X)  \
  X(transformer::UnpackPhis<float>)    \
  X(transformer::UnpackPhis<double>)   \
  X(transformer::BlockGradient<float>) \
  X(transformer::BlockGradient<double>)
#define WEFT_TRANSFORMER_VJP_TEAM_LOOPS(X) \
  X(transformer::GatherCotangents<float>)  \
  X(transformer::GatherCotangents<double>)

inline namespace WEFT_ISA {

template <class T, class Team>
WEFT_HD void loop_row(const GatherCotangents<T>& s, const Team& team, std::int64_t at, void*) {
  const Sizes& z = s.z;
  const std::int64_t D = z.D, A = z.A, hv = z.h * z.Dv, net = quotient(at, z.e), e = at - net * z.e,
                     mixed = z.e * (D + 2), rows = mixed + z.e * D;
  const DeviceCotangents<T>& g = s.g;
  const auto cotangent = [&](int t) { return g.of[t] + at * z.size(t); };
  const T *wa = cotangent(WA), *ba = cotangent(bA), *wb = cotangent(WB), *bb = cotangent(bB), *O = cotangent(WO);
  for (int t = WQ; t <= WV; ++t) {
    const std::int64_t width = t == WV ? z.Dv : z.Dk;
    const T* from = cotangent(t);
    team.each(z.size(t), [&](std::int64_t o) { g.heads[t][InHead(z, width, e, net, o).column] = from[o]; });
  }
  team.each(hv, [&](std::int64_t r) {
    g.lines[at * hv + r] = pairwise_sum<T>(D, [&](std::int64_t j) { return O[r * D + j]; });
  });
  T *y = g.y + net * rows, *columns = g.columns + net * A * mixed;
  team.each(D, [&](std::int64_t k) {
    g.rows[at * D + k] = pairwise_sum<T>(A, [&](std::int64_t i) { return wa[k * A + i]; });
    y[2 * z.e + e * D + k] = pairwise_sum<T>(A, [&](std::int64_t i) { return wb[i * D + k]; });
    y[mixed + e * D + k] = bb[k];
  });
  const T all = team.template sum<T>(D * A, [&](std::int64_t i) { return wa[i]; }),
          biases = team.template sum<T>(A, [&](std::int64_t i) { return ba[i]; });
  team.each(1, [&](std::int64_t) {
    y[e] = all;
    y[z.e + e] = biases;
  });
  team.each(A, [&](std::int64_t k) {
    columns[k * mixed + e] = pairwise_sum<T>(D, [&](std::int64_t j) { return wa[j * A + k]; });
    columns[k * mixed + z.e + e] = ba[k];
  });
  team.each(A * D, [&](std::int64_t o) {
    const std::int64_t j = quotient(o, D), k = o - j * D;
    columns[j * mixed + 2 * z.e + e * D + k] = wb[o];
  });
}

template <class T>
WEFT_HD void loop_at(const UnpackPhis<T>& s, std::int64_t i) {
  const AxisSizes n(s.z);
  const PhiPlace place = phi_place(s.z, n, i);
  T* to = s.to[place.phi];
  if (!to) return;
  const std::int64_t first = i - n.summed_at();
  const T sum = first < 0
                    ? s.packed[i]
                    : pairwise_sum<T>(s.z.batch, [&](std::int64_t net) { return s.parts[net * n.summed() + first]; });
  T& y = to[place.at];
  y = (s.beta >> place.phi & 1u) != 0 ? y + sum : sum;
}

template <class T>
WEFT_HD void loop_at(const BlockGradient<T>& s, std::int64_t number) {
  const DeviceBlock<T>& b = s.block;
  const Sizes& z = b.z;
  const InBlock o(z, z.d, number);
  T* to = s.to[o.tensor];
  if (!to) return;
  const std::int64_t D = z.D, A = z.A, d = z.d, e = z.e, c = o.channel, at = o.net * d + c, columns = d * (D + 2);
  using Piece = GlobalVector;
  const T *x = s.x + at * Piece::before(Piece::pieces, D),
          *by_column = s.equivariant ? s.by_column + (o.net * A * d + c) * (D + 2) : nullptr;
  T sum = 0;
  switch (o.tensor) {
    case WQ:
    case WK:
    case WV: {
      const InHead place(z, o.tensor == WV ? z.Dv : z.Dk, c, o.net, o.rest);
      sum = (o.tensor == WQ ? s.Q : o.tensor == WK ? s.K : s.V)[at * z.size(o.tensor) + place.beside];
      if (s.equivariant) sum += s.heads[o.tensor][place.column];
      break;
    }
    case WO: {
      const std::int64_t line = quotient(o.rest, D), lines = z.h * z.Dv, size = z.size(WO);
      sum = s.O[o.at];
      for (std::int64_t i = 0; s.equivariant && i < e; ++i) {
        sum = math::fma(s.mix_WO[i * d + c], s.g.of[WO][(o.net * e + i) * size + o.rest], sum);
        sum = math::fma(s.mix_WO_sum[i * d + c], s.g.lines[(o.net * e + i) * lines + line], sum);
      }
      break;
    }
    case WA: {
      sum = x[Piece::before(Piece::WA, D)];
      if (!s.equivariant) break;
      const std::int64_t j = quotient(o.rest, A), k = o.rest - j * A, size = z.size(WA);
      sum += s.by_row[(at * (D + 1) + D) * D + j] + by_column[k * columns + D];
      for (std::int64_t i = 0; i < e; ++i)
        sum = math::fma(s.mix_WA[i * d + c], s.g.of[WA][(o.net * e + i) * size + o.rest], sum);
      break;
    }
    case bA:
      sum = x[Piece::before(Piece::bA, D)];
      if (s.equivariant) sum += by_column[o.rest * columns + D + 1];
      break;
    case WB: {
      const std::int64_t j = quotient(o.rest, D), q = o.rest - j * D;
      sum = x[Piece::before(Piece::WB, D) + q];
      if (s.equivariant) sum += by_column[j * columns + q];
      break;
    }
    default:
      sum = x[Piece::before(Piece::bB, D) + o.rest];
  }
  const T slope = o.tensor >= WA ? activation_slope(b.rule, b.in[o.tensor][o.at]) : T(1);
  schedule::take_gradient(sum, slope, to + o.at, s.beta[o.tensor]);
}

}  // namespace WEFT_ISA
}  // namespace weft::transformer
