// Row operations by emulated warps and blocks, which add in the order of the hardware's (cuda/teams.h), against the
// CPU's tables.

#include <algorithm>
#include <cmath>
#include <limits>

#include <doctest/doctest.h>

#include "weft/core/difference.h"
#include "weft/core/random.h"
#include "weft/cuda/emulated.h"
#include "weft/cuda/rows_loop.h"
#include "weft/ops/rows.h"
#include "weft/ops/rows_kernels.h"

using namespace weft;
using namespace weft::cuda;

namespace {

template <class T>
constexpr double tolerance = sizeof(T) == 4 ? 2e-6 : 1e-14;

/// The rows of `s` by a few teams, forward and backward, against the CPU's kernel. Returns the largest distance.
template <class Op, class T, bool dense, class Team>
double compare(RowOp op, const Team& team, RowShape s) {
  const std::int64_t n = s.outer * s.n * s.inner, out = Op::reduces ? s.outer * s.inner : n;
  Tensor x = Tensor::zeros({n}, dtype_of<T>), gy = Tensor::zeros({out}, dtype_of<T>);
  Tensor y = Tensor::zeros({out}, dtype_of<T>), expected = y.clone();
  fill_normal(x, RandomKey(1, "cuda rows"));
  fill_normal(gy, RandomKey(2, "cuda rows"));
  const RowKernel& reference = kernel(op, dtype_of<T>);
  for (std::int64_t unit = 0; unit < 3; ++unit)
    rows_loop<Op, dense>(RowsForward<T>{x.data<T>(), y.data<T>()}, team, s, unit, 3);
  reference.forward(s, x.raw(), expected.raw());
  double worst = relative_error(y, expected, 1);
  for (bool accumulate : {false, true}) {
    Tensor gx = Tensor::zeros({n}, dtype_of<T>);
    fill_normal(gx, RandomKey(3, "cuda rows"));
    const Tensor expected_gx = gx.clone();
    const RowsVjp<T> work{x.data<T>(), expected.data<T>(), gy.data<T>(), gx.data<T>(), accumulate};
    for (std::int64_t unit = 0; unit < 3; ++unit) rows_loop<Op, dense>(work, team, s, unit, 3);
    reference.vjp(s, x.raw(), expected.raw(), gy.raw(), expected_gx.raw(), accumulate);
    worst = worse(worst, relative_error(gx, expected_gx, 1));
  }
  return worst;
}

template <class Op, class T>
void check(RowOp op) {
  CAPTURE(std::string(Op::name));
  CAPTURE(sizeof(T));
  for (std::int64_t n : {1, 2, 31, 32, 33, 100, 257, 1023, 3000}) {
    CAPTURE(n);
    for (bool backwards : {false, true}) {
      CHECK(compare<Op, T, true>(op, LaneTeam<Emulated<1>>{{backwards}}, {5, n, 1}) < tolerance<T>);
      CHECK(compare<Op, T, true>(op, LaneTeam<Emulated<row_block_warps>>{{backwards}}, {5, n, 1}) < tolerance<T>);
    }
    // One thread adds as the CPU does.
    CHECK(compare<Op, T, false>(op, ThreadTeam{}, {2, n, 3}) == 0);
    CHECK(compare<Op, T, true>(op, ThreadTeam{}, {5, n, 1}) == 0);
  }
}

}  // namespace

TEST_CASE("row bodies: every op by warps, blocks and threads, forward and backward") {
#define WEFT_ROW(Op, function) \
  check<Op, float>(RowOp::Op); \
  check<Op, double>(RowOp::Op);
  WEFT_ROW_OPS(WEFT_ROW)
}

TEST_CASE("the emulation sees lanes that end with different numbers, and a body that is wrong") {
  OfLanes<int> lanes{};
  lanes.x[0] = 1;
  CHECK(butterfly<warp_size>(lanes, LockstepShuffle{}, InEveryLane<Plus>{}).agree());
  struct Minus {
    int operator()(int a, int b) const { return a - b; }
  };
  CHECK(!butterfly<warp_size>(lanes, LockstepShuffle{}, InEveryLane<Minus>{}).agree());
  CHECK(compare<Mean, float, true>(RowOp::Sum, LaneTeam<Emulated<1>>{{false}}, {5, 40, 1}) > 0.1);
}

TEST_CASE("a NaN in a row wins, wherever it stands") {
  for (std::int64_t n : {3, 40, 1500})
    for (std::int64_t at : {std::int64_t{0}, n / 2, n - 1}) {
      const auto f = [=](std::int64_t i) {
        return i == at ? std::numeric_limits<float>::quiet_NaN() : static_cast<float>(i);
      };
      CHECK(std::isnan(LaneTeam<Emulated<1>>{{false}}.max(n, 0.f, f)));
      CHECK(std::isnan(LaneTeam<Emulated<row_block_warps>>{{false}}.max(n, 0.f, f)));
      CHECK(std::isnan(ThreadTeam{}.max(n, 0.f, f)));
    }
}

TEST_CASE("short rows go to warps, long ones to blocks, rows whose numbers lie apart to threads") {
  CHECK(row_team({100, 10, 1}) == RowTeam::warp);
  CHECK(row_team({100, long_row - 1, 1}) == RowTeam::warp);
  CHECK(row_team({2, long_row, 1}) == RowTeam::block);
  CHECK(row_team({2, long_row, 2}) == RowTeam::thread);
}
