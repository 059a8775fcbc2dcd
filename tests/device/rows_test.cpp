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

TEST_CASE("rows on the device that are long, constant, huge or hold a NaN") {
  OnDevice there;
  // n equal numbers, of which number `at` is a NaN, in rows that warps, blocks and threads take.
  const auto row = [&](RowOp op, std::int64_t n, std::int64_t inner, double value, std::int64_t at = -1) {
    there.arena.reset();
    const Tensor x = Tensor::zeros({n * inner}, DType::f32);
    x.fill(value);
    if (at >= 0) x.data<float>()[at * inner] = std::nanf("");
    const bool reduces = op == RowOp::Mean;
    const Tensor y = Tensor::zeros({reduces ? inner : n * inner}, DType::f32);
    float *dx = there.up<float>(x), *dy = there.up<float>(y);
    kernel(op, DType::f32, &there.backend).forward({1, n, inner}, dx, dy);
    return there.down(dy, y.shape());
  };
  const auto farthest = [](const Tensor& y, double wanted) {
    double worst = 0;
    for (float v : y.span<float>()) {
      const double error = std::abs(static_cast<double>(v) - wanted);
      worst = error <= worst ? worst : error;  // a NaN stays
    }
    return worst;
  };
  for (const std::int64_t inner : {1, 3}) {
    CAPTURE(inner);
    CHECK(farthest(row(RowOp::Mean, 10000000, inner, 0.1), 0.1) < 1e-7);
    for (const std::int64_t n : {7, 100, 3000}) {
      CAPTURE(n);
      CHECK(farthest(row(RowOp::LayerNorm, n, inner, 1e6), 0) < (n == 7 ? 0x1p-126 : 1e-3));
      CHECK(farthest(row(RowOp::LogSoftmax, n, inner, 1e8), -std::log(static_cast<double>(n))) < 4e-6);
      for (const std::int64_t at : {std::int64_t{0}, n / 2, n - 1})
        CHECK(std::isnan(row(RowOp::Softmax, n, inner, 1, at).data<float>()[n / 3 * inner]));
    }
  }
}
