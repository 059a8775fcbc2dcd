#include "weft/ops/product.h"

#include "weft/core/gemm.h"
#include "weft/ops/pointwise.h"
#include "weft/tests/device/device_under_test.h"

using namespace weft;
using namespace weft::testing;

namespace {

struct Strides {
  std::int64_t batch, row, column;
};

/// What follows a product.
struct End {
  std::int64_t bias_stride;  ///< 0: no bias
  std::optional<UnaryOp> activation;
};

template <class T>
void check(GemmShape s, Strides sa, Strides sb, std::int64_t c_row, T beta, End end, bool per_row) {
  CAPTURE(s.m);
  CAPTURE(s.n);
  CAPTURE(s.k);
  OnDevice there;
  const std::int64_t c_batch = s.m * c_row + 3;
  static const Tensor a = normals_of<T>({200000}, 1), b = normals_of<T>({200000}, 2), biases = normals_of<T>({1000}, 4);
  const Tensor c = normals_of<T>({s.batch * c_batch}, 3);
  T *da = there.up<T>(a), *db = there.up<T>(b), *dc = there.up<T>(c), *dbias = there.up<T>(biases);

  GemmEpilogue<T> host;
  ProductEpilogue<T> device;
  device.bias_per_row = host.bias_per_row = per_row;
  device.bias_batch_stride = host.bias_batch_stride = end.bias_stride;
  if (end.bias_stride > 0) host.bias = biases.data<T>(), device.bias = dbias;
  if (end.activation) host.activation = activation<T>(*end.activation), device.activation = end.activation;
  gemm<T>(s, {a.data<T>(), sa.batch, sa.row, sa.column}, {b.data<T>(), sb.batch, sb.row, sb.column}, beta, c.data<T>(),
          c_batch, c_row, host);
  const std::size_t used = there.arena.used();
  product<T>(there.arena, s, {da, sa.batch, sa.row, sa.column}, {db, sb.batch, sb.row, sb.column}, beta, dc, c_batch,
             c_row, device);
  CHECK(there.arena.used() == used);
  CHECK(distance(there.down(dc, c.shape()), c) < (sizeof(T) == 4 ? 3e-7 : 1e-15) * static_cast<double>(s.k + 10));
}

template <class T>
void check_all() {
  for (const GemmShape s : {GemmShape{1, 1, 1, 1}, {3, 16, 9, 20}, {2, 33, 64, 17}, {5, 8, 12, 0}, {1, 128, 100, 300}})
    for (T beta : {T(0), T(1)})
      // A library's own epilogues are some of those that end in ReLU or in nothing, with a bias of stride 8.
      for (const End& end :
           {End{0, {}}, {0, UnaryOp::Relu}, {8, {}}, {8, UnaryOp::Relu}, {7, UnaryOp::Relu}, {7, UnaryOp::Tanh}}) {
        const std::int64_t a = s.m * s.k, b = s.k * s.n;
        check<T>(s, {a, s.k, 1}, {b, s.n, 1}, s.n, beta, end, false);
        check<T>(s, {a, 1, s.m}, {0, 1, s.k}, s.n + 5, beta, end, true);           // transposed, shared, padded
        check<T>(s, {2 * a, 2 * s.k, 2}, {0, 3 * s.n, 3}, s.n, beta, end, false);  // packed
      }
}

}  // namespace

TEST_CASE("products on the device are the CPU's for all strides and epilogues") {
  check_all<float>();
  check_all<double>();
}

TEST_CASE("a NaN stays one behind ReLU, in a launch of its own or fused into the product") {
  OnDevice there;
  for (const std::int64_t n : {3, 4}) {
    const Tensor a = Tensor::zeros({2, 1}, DType::f32), b = Tensor::zeros({1, n}, DType::f32);
    a.fill(NAN);
    a.data<float>()[1] = -1;
    b.fill(1);
    auto* c = there.arena.allocate_array<float>(static_cast<std::size_t>(2 * n));
    ProductEpilogue<float> relu;
    relu.activation = UnaryOp::Relu;
    product<float>(there.arena, {1, 2, n, 1}, {there.up<float>(a), 0, 1, 1}, {there.up<float>(b), 0, n, 1}, 0, c, 0, n,
                   relu);
    const Tensor got = there.down(c, {2, n});
    for (std::int64_t j = 0; j < n; ++j) CHECK((std::isnan(got.data<float>()[j]) && got.data<float>()[n + j] == 0));
  }
}

TEST_CASE("lower precision is asked for, never taken") {
  OnDevice there;
  const std::int64_t n = many(256);
  const Tensor a = normals_of<float>({n, n}, 1), b = normals_of<float>({n, n}, 2),
               c = Tensor::zeros({n, n}, DType::f32);
  gemm<float>({1, n, n, n}, {a.data<float>(), 0, n, 1}, {b.data<float>(), 0, n, 1}, 0, c.data<float>(), 0, n);
  float *da = there.up<float>(a), *db = there.up<float>(b), *dc = there.up<float>(c);
  const auto with = [&](ProductPrecision precision) {
    there.backend.precision = precision;
    product<float>(there.arena, {1, n, n, n}, {da, 0, n, 1}, {db, 0, n, 1}, 0, dc, 0, n);
    there.backend.precision = ProductPrecision::full;
    return there.down(dc, {n, n});
  };
  const Tensor full = with(ProductPrecision::full);
  CHECK(same_bits(with(ProductPrecision::full), full));
  CHECK(distance(full, c) < 1e-6);
  const double tf32 = distance(with(ProductPrecision::tf32), c);
  const double bf16 = distance(with(ProductPrecision::bf16), c);
  CHECK((tf32 < 2e-3 && bf16 < 2e-2));
  if (emulated()) CHECK((tf32 > 1e-4 && bf16 > 4 * tf32));
  double* nothing = nullptr;
  CHECK_THROWS_AS(product<double>(there.arena, {1, -1, 1, 1}, {nothing, 0, 1, 1}, {nothing, 0, 1, 1}, 0, nothing, 0, 1),
                  ShapeError);
  CHECK_THROWS_AS(product<double>(there.arena, {1, 1, 1, 1}, {nothing, 0, 1, 1}, {nothing, 0, 1, 1}, 2, nothing, 0, 1),
                  UsageError);
}

TEST_CASE("the emulated device rounds the factors of lower precision to nearest, ties to even, and nothing of double") {
  if (!emulated()) return;
  OnDevice there;
  for (const auto& mode : {std::pair(ProductPrecision::tf32, 11), std::pair(ProductPrecision::bf16, 8)}) {
    const ProductPrecision precision = mode.first;
    const int bits = mode.second;
    const float half = std::ldexp(1.f, -bits), ulp = 2 * half, more = std::ldexp(1.f, -23);
    const std::vector<float> given{1 + half,         1 + half + more, 1 + 3 * half, 1 + ulp,
                                   -1 - half - more, 2 - more,        INFINITY},
        expected{1, 1 + ulp, 1 + 2 * ulp, 1 + ulp, -1 - ulp, 2, INFINITY};
    const auto n = static_cast<std::int64_t>(given.size());
    const std::vector<double> doubles(given.begin(), given.end());
    const auto times_one = [&]<class T>(const std::vector<T>& numbers, bool left) {
      const std::vector<T> one{1};
      T* x = there.up<T>(Tensor::view_of(const_cast<T*>(numbers.data()), {n}, dtype_of<T>));
      T* y = there.up<T>(Tensor::view_of(const_cast<T*>(one.data()), {1}, dtype_of<T>));
      T* z = there.arena.allocate_array<T>(static_cast<std::size_t>(n));
      there.backend.precision = precision;
      left ? product<T>(there.arena, {1, n, 1, 1}, {x, 0, 1, 1}, {y, 0, 1, 1}, 0, z, 0, 1)
           : product<T>(there.arena, {1, 1, n, 1}, {y, 0, 1, 1}, {x, 0, n, 1}, 0, z, 0, n);
      there.backend.precision = ProductPrecision::full;
      const Tensor result = there.down(z, {n});
      return std::vector<T>(result.data<T>(), result.data<T>() + n);
    };
    for (const bool left : {true, false}) {
      CHECK(times_one(given, left) == expected);
      CHECK(times_one(doubles, left) == doubles);
    }
  }
}
