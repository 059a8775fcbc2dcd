#pragma once
// What E and I have of a block on a device, and where the numbers of E's smaller phis are packed;
// nfn/transformer/device_schedule.h says which kernel does what. Light: nvcc reads it.

#include "weft/core/quotient.h"
#include "weft/nfn/reading_bodies.h"
#include "weft/nfn/transformer/block.h"

namespace weft::transformer {

/// The inputs of a call and what is made of them. All [batch, d, …]; I has none of what only E's axis-wise terms read.
template <class T>
struct DeviceBlock {
  Sizes z;
  schedule::ReadRule<T> rule;
  const T* in[tensors];
  T* read;       ///< WA, WB, bA, bB as read, [A (2 D + 1) + D]; null where they are the inputs
  T* x;          ///< vectors of the global terms, as GlobalRows has them
  T *Q, *K, *V;  ///< heads side by side: [D, h k]
  T* lines;      ///< Σ_k WO_jk [h Dv]
  T* heads[3];   ///< E: WQ, WK, WV as matrices [d D, batch h k]
  T* by_row;     ///< E: [D + 1, D]: [VO]_pj, then Σ_q WA_jq
  T* by_column;  ///< E: [batch, A, d, D + 2]: WB_kq, Σ_p WA_pk, bA_k

  WEFT_HD std::int64_t read_size() const { return z.A * (2 * z.D + 1) + z.D; }
  WEFT_HD std::int64_t read_at(int tensor) const {
    return tensor == WA ? 0 : tensor == WB ? z.D * z.A : tensor == bA ? 2 * z.D * z.A : (2 * z.D + 1) * z.A;
  }
  /// WA, WB, bA or bB as read, of channel `at` of all channels of all networks.
  WEFT_HD const T* as_read(int tensor, std::int64_t at) const {
    return read ? read + at * read_size() + read_at(tensor) : in[tensor] + at * z.size(tensor);
  }
  WEFT_HD std::int64_t as_read_stride(int tensor) const { return read ? read_size() : z.size(tensor); }
};

/// E's phis outside the global terms, in the order in which they are packed:
///     of_WB of_sum of_bA   what WB, Σ_p WA and bA give to the outputs WA, bA and WB (phi9, 6, 11; 6, 4, 8; 6, 4, 8)
///     of_heads             phi1 of WQ, WK, WV
///     row_VO, row_WA       phi3 and phi5 of WA
///     mix_…                phi7 of WA, phi2 and phi1 of WO
enum AxisPhi { of_WB, of_sum = 3, of_bA = 6, of_heads = 9, row_VO = 12, row_WA, mix_WA, mix_WO, mix_WO_sum, axis_phis };

/// Packed: M [2 e + e D, d (D + 2)] of the axis A; Φ [3, e D, d D] of the heads; then what is summed over networks:
/// N [e, d (D + 1)] of the rows of WA, and the mixes [3, e, d].
struct AxisSizes {
  std::int64_t mixed, columns, matrix, head, rows, mix;

  WEFT_HD explicit AxisSizes(const Sizes& z)
      : mixed(z.e * (z.D + 2)),
        columns(z.d * (z.D + 2)),
        matrix(mixed * columns),
        head(z.e * z.d * z.D * z.D),
        rows(z.e * z.d * (z.D + 1)),
        mix(z.e * z.d) {}
  WEFT_HD std::int64_t summed_at() const { return matrix + 3 * head; }
  WEFT_HD std::int64_t summed() const { return rows + 3 * mix; }
};

inline namespace WEFT_ISA {

/// Where packed number i stands: in which phi, and there.
struct PhiPlace {
  int phi;
  std::int64_t at;
};
WEFT_HD PhiPlace phi_place(const Sizes& z, const AxisSizes& n, std::int64_t i) {
  const std::int64_t D = z.D, d = z.d, e = z.e;
  if (i < n.matrix) {
    const std::int64_t row = quotient(i, n.columns), rest = i - row * n.columns, c = quotient(rest, D + 2),
                       q = rest - c * (D + 2);
    const int output = row < e ? 0 : row < 2 * e ? 1 : 2;
    std::int64_t line = row - output * e;
    if (output < 2) {
      line = line * d + c;
    } else {  // (e, k)
      const std::int64_t channel = quotient(line, D);
      line += (channel * (d - 1) + c) * D;
    }
    const int what = q < D ? of_WB : q == D ? of_sum : of_bA;
    return {what + output, q < D ? line * D + q : line};
  }
  i -= n.matrix;
  if (i < 3 * n.head) {
    const int tensor = static_cast<int>(quotient(i, n.head));
    i -= tensor * n.head;
    const std::int64_t line = quotient(i, D), p = i - line * D, row = quotient(line, d), c = line - row * d,
                       channel = quotient(row, D), j = row - channel * D;
    return {of_heads + tensor, ((channel * d + c) * D + j) * D + p};
  }
  i -= 3 * n.head;
  if (i < n.rows) {
    const std::int64_t line = quotient(i, D + 1), q = i - line * (D + 1);
    return q < D ? PhiPlace{row_VO, line * D + q} : PhiPlace{row_WA, line};
  }
  i -= n.rows;
  const int which = static_cast<int>(quotient(i, n.mix));
  return {mix_WA + which, i - which * n.mix};
}

/// Number `at` of all tensors of all networks, tensor after tensor, [batch, channels, size].
struct InBlock {
  int tensor = 0;
  std::int64_t at, rest, channel, net;  ///< in the tensor; in the channel
  WEFT_HD InBlock(const Sizes& z, std::int64_t channels, std::int64_t number) {
    const std::int64_t all = z.batch * channels;
    for (at = number; at >= all * z.size(tensor); ++tensor) at -= all * z.size(tensor);
    const std::int64_t row = quotient(at, z.size(tensor));
    rest = at - row * z.size(tensor);
    net = quotient(row, channels);
    channel = row - net * channels;
  }
};
WEFT_HD std::int64_t block_numbers(const Sizes& z, std::int64_t channels) {
  std::int64_t n = 0;
  for (int t = 0; t < tensors; ++t) n += z.size(t);
  return z.batch * channels * n;
}

/// Number (i, j, k) of heads [h, D, k] side by side: (j, i k + k); and as a column of the matrix [channels D, batch h
/// k].
struct InHead {
  std::int64_t beside, column;
  WEFT_HD InHead(const Sizes& z, std::int64_t width, std::int64_t channel, std::int64_t net, std::int64_t rest) {
    const std::int64_t line = quotient(rest, width), k = rest - line * width, i = quotient(line, z.D),
                       j = line - i * z.D, all = z.h * width;
    beside = j * all + i * width + k;
    column = (channel * z.D + j) * z.batch * all + net * all + i * width + k;
  }
};

}  // namespace WEFT_ISA
}  // namespace weft::transformer
