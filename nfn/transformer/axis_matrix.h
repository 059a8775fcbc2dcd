#pragma once
// Where the phis of E's axis-wise terms stand in the matrices that do them in one product each. Internal to
// nfn/transformer.

#include "weft/nfn/transformer/schedule.h"

namespace weft::transformer {

/// f(number of the phi, position in it, position in M, how many) for all pieces of M [2 e + e D, d (D + 2)].
template <class T, class F>
void each_axis_piece(const Schedule<T>& s, const F& f) {
  const Sizes& z = s.z();
  const std::int64_t d = z.d, D = z.D, columns = s.block.columns();
  const AxisTable& t = s.axis;
  auto one = [&](std::int64_t e) {
    for (int o = 0; o < 2; ++o) {
      const std::int64_t line = (o * z.e + e) * columns;
      f(t.WB[o], e * d * D, line, d * D);
      f(t.sum[o], e * d, line + d * D, d);
      f(t.bA[o], e * d, line + d * D + d, d);
    }
    for (std::int64_t k = 0; k < D; ++k) {
      const std::int64_t line = (2 * z.e + e * D + k) * columns;
      for (std::int64_t c = 0; c < d; ++c) {
        const std::int64_t at = (e * d + c) * D + k;
        f(t.WB[2], at * D, line + c * D, D);
        f(t.sum[2], at, line + d * D + c, 1);
        f(t.bA[2], at, line + d * D + d + c, 1);
      }
    }
  };
  parallel_blocks(z.e, copy_grain(D * columns), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t e = begin; e < end; ++e) one(e);
  });
}

/// The same for N [e, d (D + 1)].
template <class T, class F>
void each_row_piece(const Schedule<T>& s, const F& f) {
  const std::int64_t d = s.z().d, D = s.z().D;
  for (std::int64_t e = 0; e < s.z().e; ++e) {
    f(s.axis.row_VO, e * d * D, e * s.block.rows(), d * D);
    f(s.axis.row_WA, e * d, e * s.block.rows() + d * D, d);
  }
}

}  // namespace weft::transformer
