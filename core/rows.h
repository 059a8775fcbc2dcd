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

inline std::int64_t row_grain(RowShape s) { return s.n > 0 ? (8192 + s.n - 1) / s.n : 8192; }

/// f(offset of the row in x, offset in y) for every row.
template <class Op, class F>
void each_row(RowShape s, const F& f) {
  parallel_blocks(s.outer * s.inner, row_grain(s), [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const std::int64_t o = r / s.inner, i = r % s.inner, at = o * s.n * s.inner + i;
      f(at, Op::reduces ? r : at);
    }
  });
}

template <class Op, class T>
void rows_forward(RowShape s, const void* x_, void* y_) {
  const T* x = static_cast<const T*>(x_);
  T* y = static_cast<T*>(y_);
  if (s.inner == 1)
    each_row<Op>(s, [=](std::int64_t in, std::int64_t out) {
      Op::template row<T>(SerialTeam{}, DenseRow<const T>{x + in}, DenseRow<T>{y + out}, s.n);
    });
  else
    each_row<Op>(s, [=](std::int64_t in, std::int64_t out) {
      Op::template row<T>(SerialTeam{}, Row<const T>{x + in, s.inner}, Row<T>{y + out, s.inner}, s.n);
    });
}

template <class Op, class T>
void rows_vjp(RowShape s, const void* x_, const void* y_, const void* gy_, void* gx_, bool accumulate) {
  const T *x = static_cast<const T*>(x_), *y = static_cast<const T*>(y_), *gy = static_cast<const T*>(gy_);
  T* gx = static_cast<T*>(gx_);
  if (s.inner == 1)
    each_row<Op>(s, [=](std::int64_t in, std::int64_t out) {
      using R = DenseRow<const T>;
      Op::template row_vjp<T>(SerialTeam{}, R{x + in}, R{y + out}, R{gy + out},
                              StoreRow<T, DenseRow<T>>{{gx + in}, accumulate}, s.n);
    });
  else
    each_row<Op>(s, [=](std::int64_t in, std::int64_t out) {
      using R = Row<const T>;
      Op::template row_vjp<T>(SerialTeam{}, R{x + in, s.inner}, R{y + out, s.inner}, R{gy + out, s.inner},
                              StoreRow<T, Row<T>>{{gx + in, s.inner}, accumulate}, s.n);
    });
}

}  // namespace WEFT_ISA
}  // namespace weft
