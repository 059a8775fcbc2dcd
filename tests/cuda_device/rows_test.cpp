#include "weft/ops/rows.h"

#include "weft/cuda/kernels.h"
#include "weft/tests/cuda_device/gpu.h"

using namespace weft;
using namespace weft::testing;

namespace {

template <class Op, class T>
void check(RowOp op) {
  CAPTURE(std::string(Op::name));
  const RowKernel &cpu = kernel(op, dtype_of<T>), &device = cuda::kernel(op, dtype_of<T>);
  const double tolerance = sizeof(T) == 4 ? 2e-6 : 1e-14;
  Gpu gpu;
  // Warps, blocks, threads; more rows than a grid has teams; none.
  for (const RowShape s : {RowShape{70000, 10, 1},
                           {33, 1000, 1},
                           {5, 1024, 1},
                           {6000, 1100, 1},
                           {3, 100003, 1},
                           {7, 33, 1000},
                           {1, 5, 1200000},
                           {0, 5, 1}}) {
    CAPTURE(s.outer);
    CAPTURE(s.n);
    gpu.arena.reset();
    const std::int64_t n = s.outer * s.n * s.inner, out = Op::reduces ? s.outer * s.inner : n;
    const Tensor x = normals_of<T>({n}, 1), gy = normals_of<T>({out}, 2), before = normals_of<T>({n}, 3);
    const Tensor y = Tensor::zeros({out}, dtype_of<T>);
    T *dx = gpu.up<T>(x), *dy = gpu.up<T>(y), *dgy = gpu.up<T>(gy), *dgx = gpu.up<T>(before);
    cpu.forward(s, x.raw(), y.raw());
    device.forward(s, dx, dy);
    const Tensor got = gpu.down(dy, {out});
    CHECK(distance<T>(got, y) < tolerance);
    if (s.inner > 1 && sizeof(T) == 4) CHECK(same_bits(got, y));  // a thread adds as the CPU does
    device.forward(s, dx, dy);
    CHECK(same_bits(gpu.down(dy, {out}), got));
    for (bool accumulate : {false, true}) {
      const Tensor gx = before.clone();
      gpu.staging.upload(dgx, before.raw(), before.bytes());
      cpu.vjp(s, x.raw(), got.raw(), gy.raw(), gx.raw(), accumulate);
      device.vjp(s, dx, dy, dgy, dgx, accumulate);
      CHECK(distance<T>(gpu.down(dgx, {n}), gx) < tolerance);
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
