#pragma once
// The loop over rows for teams of any kind (cuda/teams.h), and who takes a row.

#include "weft/core/rows.h"
#include "weft/cuda/teams.h"

namespace weft::cuda::inline WEFT_ISA {

/// Who takes one row.
enum class RowTeam { thread, warp, block };

inline constexpr int row_block_warps = 8;
/// From here on a block takes a row: each of its lanes has four numbers or more.
inline constexpr std::int64_t long_row = 4 * row_block_warps * warp_size;

/// Rows whose numbers lie apart go to one thread each: neighbouring threads then read neighbouring numbers.
inline RowTeam row_team(RowShape s) {
  if (s.inner > 1) return RowTeam::thread;
  return s.n < long_row ? RowTeam::warp : RowTeam::block;
}

template <class T>
struct RowsForward {
  using Number = T;
  const T* x;
  T* y;

  template <class Op, template <class> class R, class Team, class... Stride>
  WEFT_HD void run(const Team& team, std::int64_t in, std::int64_t out, std::int64_t n, Stride... stride) const {
    Op::template row<T>(team, R<const T>{x + in, stride...}, R<T>{y + out, stride...}, n);
  }
};

template <class T>
struct RowsVjp {
  using Number = T;
  const T *x, *y, *gy;
  T* gx;
  bool accumulate;

  template <class Op, template <class> class R, class Team, class... Stride>
  WEFT_HD void run(const Team& team, std::int64_t in, std::int64_t out, std::int64_t n, Stride... stride) const {
    using In = R<const T>;
    Op::template row_vjp<T>(team, In{x + in, stride...}, In{y + out, stride...}, In{gy + out, stride...},
                            StoreRow<T, R<T>>{{gx + in, stride...}, accumulate}, n);
  }
};

/// What team `unit` of `units` does. `dense`: inner is 1.
template <class Op, bool dense, class Work, class Team>
WEFT_HD void rows_loop(const Work& work, const Team& team, RowShape s, std::int64_t unit, std::int64_t units) {
  const std::int64_t rows = s.outer * s.inner;
  for (std::int64_t r = unit; r < rows; r += units) {
    if constexpr (dense) {
      work.template run<Op, DenseRow>(team, r * s.n, Op::reduces ? r : r * s.n, s.n);
    } else {
      const std::int64_t outer = r / s.inner, at = outer * s.n * s.inner + (r - outer * s.inner);
      work.template run<Op, Row>(team, at, Op::reduces ? r : at, s.n, s.inner);
    }
  }
}

}  // namespace weft::cuda::inline WEFT_ISA
