#pragma once
// The CPU loop of row operations: rows of n values along one axis of a tensor seen as [outer, n, inner]; the body is
// the op's. Included by kernel sources only (see core/isa.h).

#include <cstdint>

#include "weft/core/parallel.h"
#include "weft/core/team.h"

namespace weft {

/// `n` values a row; x is [outer, n, inner], y the same or, for reductions, [outer, inner].
struct RowShape {
  std::int64_t outer, n, inner;
};

struct RowKernel {
  void (*forward)(RowShape shape, const void* x, void* y);
  void (*vjp)(RowShape shape, const void* x, const void* y, const void* gy, void* gx, bool accumulate);
};

inline namespace WEFT_ISA {

template <class T, class Out>
struct StoreRow {
  Out gx;
  bool accumulate;
  WEFT_HD void operator()(std::int64_t i, T v) const { gx[i] = accumulate ? gx[i] + v : v; }
};

/// All threads on one row, with SerialTeam's bits: each forms whole subtrees of its sums.
struct ThreadsTeam {
  static constexpr std::int64_t grain = 1 << 14;  ///< numbers that are worth a thread's start

  template <class F>
  void each(std::int64_t n, const F& f) const {
    parallel_blocks(n, grain, [&](std::int64_t begin, std::int64_t end) { each_of(begin, end, f); });
  }
  template <class T, class F>
  T sum(std::int64_t n, const F& f) const {
    using Lanes = SerialTeam::Lanes<T>;
    Lanes all = over_pieces<Lanes>(
        n, [&](std::int64_t count, const auto& at) { return SerialTeam::lane_sums<T>(count, at); }, f,
        [](std::int64_t count, const Lanes* parts) {
          return tree_sum<Lanes>(count, [=](std::int64_t i) { return parts[i]; });
        });
    return SerialTeam::over_lanes(all.x, Plus{});
  }
  template <class T, class F>
  T max(std::int64_t n, T low, const F& f) const {
    const SerialTeam one;
    return over_pieces<T>(
        n, [&](std::int64_t count, const auto& at) { return one.max(count, low, at); }, f,
        [&](std::int64_t count, const T* parts) {
          return one.max(count, low, [=](std::int64_t i) { return parts[i]; });
        });
  }

 private:
  /// With everything in line, and f where no store can reach it: so that the loop vectorises.
  template <class F>
  __attribute__((flatten)) static void each_of(std::int64_t begin, std::int64_t end, const F f) {
#pragma omp simd
    for (std::int64_t i = begin; i < end; ++i) f(i);
  }

  /// join(pieces, of_piece(numbers, f from the piece's first number on) of each).
  template <class Part, class OfPiece, class F, class Join>
  static Part over_pieces(std::int64_t n, const OfPiece& of_piece, const F& f, const Join& join) {
    constexpr std::int64_t most = 64;
    static_assert(grain % (SerialTeam::chains * SerialTeam::run) == 0);
    std::int64_t piece = grain;  // doubled, it stays a subtree of the runs
    while (n > most * piece) piece *= 2;
    Part parts[most];
    parallel_blocks(n, piece, [&](std::int64_t begin, std::int64_t end) {
      parts[begin / piece] = of_piece(end - begin, [&](std::int64_t i) { return f(begin + i); });
    });
    return join((n + piece - 1) / piece, parts);
  }
};

/// Rows so few and long that all threads take one together.
inline bool shares_rows(RowShape s) { return s.outer < 8 && s.n >= 4 * ThreadsTeam::grain; }

inline std::int64_t row_grain(RowShape s) { return s.n > 0 ? (8192 + s.n - 1) / s.n : 8192; }

/// f(team, offset of the row in x, offset in y) for every row.
template <class Op, class F>
void each_dense_row(RowShape s, const F& f) {
  const auto rows = [&](const auto& team, std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) f(team, r * s.n, Op::reduces ? r : r * s.n);
  };
  const auto shared = [&]() __attribute__((noinline)) { rows(ThreadsTeam{}, 0, s.outer); };
  if (shares_rows(s)) return shared();
  parallel_blocks(s.outer, row_grain(s), [&](std::int64_t begin, std::int64_t end) { rows(SerialTeam{}, begin, end); });
}

template <class Op, class F>
void each_strided_row(RowShape s, const F& f) {
  parallel_blocks(s.outer * s.inner, row_grain(s), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const std::int64_t o = r / s.inner, i = r % s.inner, at = o * s.n * s.inner + i;
      f(SerialTeam{}, at, Op::reduces ? r : at);
    }
  });
}

template <class Op, class T>
void rows_forward(RowShape s, const void* x_, void* y_) {
  const T* x = static_cast<const T*>(x_);
  T* y = static_cast<T*>(y_);
  if (s.inner == 1)
    each_dense_row<Op>(s, [=](const auto& team, std::int64_t in, std::int64_t out) {
      Op::template row<T>(team, DenseRow<const T>{x + in}, DenseRow<T>{y + out}, s.n);
    });
  else
    each_strided_row<Op>(s, [=](const auto& team, std::int64_t in, std::int64_t out) {
      Op::template row<T>(team, Row<const T>{x + in, s.inner}, Row<T>{y + out, s.inner}, s.n);
    });
}

template <class Op, class T>
void rows_vjp(RowShape s, const void* x_, const void* y_, const void* gy_, void* gx_, bool accumulate) {
  const T *x = static_cast<const T*>(x_), *y = static_cast<const T*>(y_), *gy = static_cast<const T*>(gy_);
  T* gx = static_cast<T*>(gx_);
  if (s.inner == 1)
    each_dense_row<Op>(s, [=](const auto& team, std::int64_t in, std::int64_t out) {
      using R = DenseRow<const T>;
      Op::template row_vjp<T>(team, R{x + in}, R{y + out}, R{gy + out}, StoreRow<T, DenseRow<T>>{{gx + in}, accumulate},
                              s.n);
    });
  else
    each_strided_row<Op>(s, [=](const auto& team, std::int64_t in, std::int64_t out) {
      using R = Row<const T>;
      Op::template row_vjp<T>(team, R{x + in, s.inner}, R{y + out, s.inner}, R{gy + out, s.inner},
                              StoreRow<T, Row<T>>{{gx + in, s.inner}, accumulate}, s.n);
    });
}

}  // namespace WEFT_ISA
}  // namespace weft
