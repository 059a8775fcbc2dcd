#include "weft/ops/rows.h"

#include "weft/tests/device/device_under_test.h"

using namespace weft;
using namespace weft::testing;

namespace {

template <class Op, class T>
void check(RowOp op) {
  CAPTURE(std::string(Op::name));
  const double tolerance = sizeof(T) == 4 ? 2e-6 : 1e-14;
  OnDevice there;
  const RowKernel &cpu = kernel(op, dtype_of<T>), &device = kernel(op, dtype_of<T>, &there.backend);
  // Warps, blocks, threads; more rows than a grid has teams; none.
  for (const RowShape s : {RowShape{many(70000), 10, 1},
                           {33, 1000, 1},
                           {5, 1024, 1},
                           {many(6000) / 100, 1100, 1},
                           {3, many(100003), 1},
                           {7, 33, many(1000) / 100},
                           {1, 5, many(1200000)},
                           {0, 5, 1}}) {
    CAPTURE(s.outer);
    CAPTURE(s.n);
    there.arena.reset();
    const std::int64_t n = s.outer * s.n * s.inner, out = Op::reduces ? s.outer * s.inner : n;
    const Tensor x = normals_of<T>({n}, 1), gy = normals_of<T>({out}, 2), before = normals_of<T>({n}, 3);
    const Tensor y = Tensor::zeros({out}, dtype_of<T>);
    T *dx = there.up<T>(x), *dy = there.up<T>(y), *dgy = there.up<T>(gy), *dgx = there.up<T>(before);
    cpu.forward(s, x.raw(), y.raw());
    device.forward(s, dx, dy);
    const Tensor got = there.down(dy, {out});
    CHECK(distance(got, y) < tolerance);
    if (s.inner > 1 && sizeof(T) == 4) CHECK(same_bits(got, y));  // a thread adds as the CPU does
    device.forward(s, dx, dy);
    CHECK(same_bits(there.down(dy, {out}), got));
    for (bool accumulate : {false, true}) {
      const Tensor gx = before.clone();
      there.backend.upload(dgx, before.raw(), before.bytes());
      cpu.vjp(s, x.raw(), got.raw(), gy.raw(), gx.raw(), accumulate);
      device.vjp(s, dx, dy, dgy, dgx, accumulate);
      CHECK(distance(there.down(dgx, {n}), gx) < tolerance);
    }
  }
}

}  // namespace

TEST_CASE("row operations on the device are the CPU's, and the same bits every time") {
#define WEFT_ROW(Op, function) \
  check<Op, float>(RowOp::Op); \
  check<Op, double>(RowOp::Op);
  WEFT_ROW_OPS(WEFT_ROW)
}
