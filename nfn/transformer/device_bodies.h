#pragma once
// The forward kernels of E and I on a device outside the global terms, see nfn/transformer/device_schedule.h. Light:
// nvcc reads it.

#include "weft/core/math.h"
#include "weft/nfn/transformer/device_block.h"

namespace weft::transformer {

/// A team for each (network, channel): all of DeviceBlock but [QK] and [VO].
template <class T>
struct GatherBlock {
  static constexpr const char* name = "transformer block";
  static constexpr int lanes = 256;
  std::int64_t scratch_bytes() const { return 0; }
  DeviceBlock<T> block;
};

/// Every number that is packed, but for the mixes.
template <class T>
struct PackPhis {
  static constexpr const char* name = "transformer pack";
  Sizes z;
  const T* phi[axis_phis];
  T* packed;
};

/// Every number of all outputs of E.
template <class T>
struct WriteOutputs {
  static constexpr const char* name = "transformer outputs";
  DeviceBlock<T> block;
  const T *mix_WA, *mix_WO, *mix_WO_sum;
  const T* heads[3];  ///< as in DeviceBlock, with e channels
  const T* columns;   ///< [batch, A, 2 e + e D]
  const T* rows;      ///< [batch, e, D]
  const T* y;         ///< global terms [batch, 2 e + 2 e D]
  T* out[tensors];
};

#define WEFT_TRANSFORMER_BLOCK_LOOPS(X) \
  X(transformer::PackPhis<float>)       \
  X(transformer::PackPhis<double>)      \
  X(transformer::WriteOutputs<float>)   \
  X(transformer::WriteOutputs<double>)
#define WEFT_TRANSFORMER_BLOCK_TEAM_LOOPS(X) \
  X(transformer::GatherBlock<float>)         \
  X(transformer::GatherBlock<double>)

inline namespace WEFT_ISA {

template <class T, class Team>
WEFT_HD void loop_row(const GatherBlock<T>& s, const Team& team, std::int64_t at, void*) {
  const DeviceBlock<T>& b = s.block;
  const Sizes& z = b.z;
  const std::int64_t D = z.D, A = z.A, hv = z.h * z.Dv, net = quotient(at, z.d), c = at - net * z.d,
                     row = (at * (D + 1) + D) * D;
  if (b.read)
    team.each(b.read_size(), [&](std::int64_t o) {
      const int t = o < b.read_at(WB) ? WA : o < b.read_at(bA) ? WB : o < b.read_at(bB) ? bA : bB;
      b.read[at * b.read_size() + o] = activate(b.rule, b.in[t][at * z.size(t) + o - b.read_at(t)]);
    });
  const T *wa = b.as_read(WA, at), *wb = b.as_read(WB, at), *ba = b.as_read(bA, at), *bb = b.as_read(bB, at);
  const T *V = b.in[WV] + at * z.size(WV), *O = b.in[WO] + at * z.size(WO);
  T* lines = b.lines + at * hv;
  for (int t = WQ; t <= WV; ++t) {
    const std::int64_t width = t == WV ? z.Dv : z.Dk;
    const T* from = b.in[t] + at * z.size(t);
    T* to = (t == WQ ? b.Q : t == WK ? b.K : b.V) + at * z.size(t);
    team.each(z.size(t), [&](std::int64_t o) {
      const InHead place(z, width, c, net, o);
      to[place.beside] = from[o];
      if (b.heads[t]) b.heads[t][place.column] = from[o];
    });
  }
  team.each(hv, [&](std::int64_t r) { lines[r] = pairwise_sum<T>(D, [&](std::int64_t j) { return O[r * D + j]; }); });

  using Piece = GlobalVector;
  T* x = b.x + at * Piece::before(Piece::pieces, D);  // [QK] is a product's
  const std::int64_t at_VO = Piece::before(Piece::VO, D), at_WB = Piece::before(Piece::WB, D),
                     at_bB = Piece::before(Piece::bB, D);
  team.each(D, [&](std::int64_t p) {
    T vo = 0;
    for (std::int64_t i = 0; i < z.h; ++i)
      for (std::int64_t k = 0; k < z.Dv; ++k) vo = math::fma(V[(i * D + p) * z.Dv + k], lines[i * z.Dv + k], vo);
    x[at_VO + p] = vo;
    x[at_WB + p] = pairwise_sum<T>(A, [&](std::int64_t j) { return wb[j * D + p]; });
    x[at_bB + p] = bb[p];
    if (b.by_row) b.by_row[row + p] = pairwise_sum<T>(A, [&](std::int64_t k) { return wa[p * A + k]; });
  });
  const T all = team.template sum<T>(D * A, [&](std::int64_t i) { return wa[i]; }),
          biases = team.template sum<T>(A, [&](std::int64_t i) { return ba[i]; });
  team.each(1, [&](std::int64_t) {
    x[Piece::before(Piece::WA, D)] = all;
    x[Piece::before(Piece::bA, D)] = biases;
  });
  if (!b.by_column) return;
  T* to = b.by_column + (net * A * z.d + c) * (D + 2);
  const std::int64_t step = z.d * (D + 2);
  team.each(A * D, [&](std::int64_t o) {
    const std::int64_t k = quotient(o, D), q = o - k * D;
    to[k * step + q] = wb[o];
  });
  team.each(A, [&](std::int64_t k) {
    to[k * step + D] = pairwise_sum<T>(D, [&](std::int64_t p) { return wa[p * A + k]; });
    to[k * step + D + 1] = ba[k];
  });
}

template <class T>
WEFT_HD void loop_at(const PackPhis<T>& s, std::int64_t i) {
  const PhiPlace place = phi_place(s.z, AxisSizes(s.z), i);
  s.packed[i] = s.phi[place.phi][place.at];
}

template <class T>
WEFT_HD void loop_at(const WriteOutputs<T>& s, std::int64_t number) {
  const DeviceBlock<T>& b = s.block;
  const Sizes& z = b.z;
  const InBlock o(z, z.e, number);
  const std::int64_t D = z.D, A = z.A, d = z.d, e = o.channel, mixed = z.e * (D + 2), rows = mixed + z.e * D;
  const T* y = s.y + o.net * rows;
  T sum = 0;
  switch (o.tensor) {
    case WQ:
    case WK:
    case WV:
      sum = s.heads[o.tensor][InHead(z, o.tensor == WV ? z.Dv : z.Dk, e, o.net, o.rest).column];
      break;
    case WO: {
      const std::int64_t size = z.size(WO), line = quotient(o.rest, D), lines = z.h * z.Dv;
      for (std::int64_t c = 0; c < d; ++c) {
        const std::int64_t at = o.net * d + c;
        sum = math::fma(s.mix_WO[e * d + c], b.in[WO][at * size + o.rest], sum);
        sum = math::fma(s.mix_WO_sum[e * d + c], b.lines[at * lines + line], sum);
      }
      break;
    }
    case WA: {
      const std::int64_t j = quotient(o.rest, A), k = o.rest - j * A;
      sum = y[e] + s.rows[(o.net * z.e + e) * D + j] + s.columns[(o.net * A + k) * mixed + e];
      for (std::int64_t c = 0; c < d; ++c)
        sum = math::fma(s.mix_WA[e * d + c], b.as_read(WA, o.net * d + c)[o.rest], sum);
      break;
    }
    case bA:
      sum = y[z.e + e] + s.columns[(o.net * A + o.rest) * mixed + z.e + e];
      break;
    case WB: {
      const std::int64_t j = quotient(o.rest, D), column = 2 * z.e + e * D + o.rest - j * D;
      sum = y[column] + s.columns[(o.net * A + j) * mixed + column];
      break;
    }
    default:
      sum = y[mixed + e * D + o.rest];
  }
  s.out[o.tensor][o.at] = sum;
}

}  // namespace WEFT_ISA
}  // namespace weft::transformer
