#include "weft/ops/pointwise.h"

#include "weft/tests/device/device_under_test.h"

using namespace weft;
using namespace weft::testing;

namespace {

/// f(number of values, shift of the first array, shift of the others)
template <class F>
void each_layout(const F& f) {
  for (std::int64_t n : {std::int64_t{0}, std::int64_t{1}, std::int64_t{5}, std::int64_t{1000}, many((1 << 21) + 3)})
    for (int first : {0, 1})
      for (int rest : {0, 1}) f(n, first, rest);
}

template <class Op, class T>
void check_unary(UnaryOp op, double p) {
  CAPTURE(std::string(Op::name));
  OnDevice there;
  const UnaryKernel &cpu = kernel(op, dtype_of<T>), &device = kernel(op, dtype_of<T>, &there.backend);
  each_layout([&](std::int64_t n, int first, int rest) {
    there.arena.reset();
    const Tensor x = normals_of<T>({n}, 1), gy = normals_of<T>({n}, 2), before = normals_of<T>({n}, 3), y = x.clone();
    for (T& v : x.span<T>()) v = std::abs(v) + T(0.1);  // where every op is defined
    T *dx = there.up<T>(x, first), *dy = there.up<T>(y, rest), *dgy = there.up<T>(gy, rest);
    cpu.forward(x.raw(), y.raw(), n, p);
    device.forward(dx, dy, n, p);
    CHECK(agrees<T>(there.down(dy, {n}), y));
    for (bool accumulate : {false, true}) {
      const Tensor gx = before.clone();
      T* dgx = there.up<T>(before, first);
      cpu.vjp(x.raw(), y.raw(), gy.raw(), gx.raw(), accumulate, n, p);
      device.vjp(dx, dy, dgy, dgx, accumulate, n, p);
      CHECK(agrees<T>(there.down(dgx, {n}), gx));
    }
  });
}

template <class Op, class T>
void check_binary(BinaryOp op) {
  CAPTURE(std::string(Op::name));
  OnDevice there;
  const BinaryKernel &cpu = kernel(op, dtype_of<T>), &device = kernel(op, dtype_of<T>, &there.backend);
  each_layout([&](std::int64_t n, int first, int rest) {
    there.arena.reset();
    const Tensor a = normals_of<T>({n}, 1), b = normals_of<T>({n}, 2), gy = normals_of<T>({n}, 3), y = a.clone();
    T *da = there.up<T>(a, first), *db = there.up<T>(b, rest), *dgy = there.up<T>(gy, rest),
      *dy = there.up<T>(y, first);
    cpu.forward(a.raw(), b.raw(), y.raw(), n);
    device.forward(da, db, dy, n);
    CHECK(same_bits(there.down(dy, {n}), y));
    for (bool accumulate : {false, true}) {
      const Tensor ga = a.clone(), gb = b.clone();
      T *dga = there.up<T>(a, rest), *dgb = there.up<T>(b, first);
      cpu.vjp(a.raw(), b.raw(), y.raw(), gy.raw(), ga.raw(), accumulate, gb.raw(), accumulate, n);
      device.vjp(da, db, dy, dgy, dga, accumulate, dgb, accumulate, n);
      CHECK(same_bits(there.down(dga, {n}), ga));
      CHECK(same_bits(there.down(dgb, {n}), gb));
      device.vjp(da, db, dy, dgy, nullptr, false, dgb, false, n);  // one that is not wanted
    }
  });
}

}  // namespace

TEST_CASE("pointwise operations on the device are the CPU's") {
#define WEFT_UNARY(Op, function)                                 \
  check_unary<Op, float>(UnaryOp::Op, parameter_of<Op>().usual); \
  check_unary<Op, double>(UnaryOp::Op, parameter_of<Op>().usual);
#define WEFT_BINARY(Op, function)        \
  check_binary<Op, float>(BinaryOp::Op); \
  check_binary<Op, double>(BinaryOp::Op);
  WEFT_UNARY_OPS(WEFT_UNARY)
  WEFT_BINARY_OPS(WEFT_BINARY)
}

TEST_CASE("activations in place on the device") {
  OnDevice there;
  for (int i = 0; i < static_cast<int>(UnaryOp::count); ++i) {
    const auto op = static_cast<UnaryOp>(i);
    const Tensor x = normals_of<float>({1001}, 1);
    for (float& v : x.span<float>()) v = std::abs(v) + 0.1f;
    float* y = there.up<float>(x);
    there.backend.table<PointwiseKernels>("activation").activate_float[i](y, 1001);
    activation<float>(op)(x.data<float>(), 1001);
    CHECK(same_bits(there.down(y, {1001}), x));
  }
}
