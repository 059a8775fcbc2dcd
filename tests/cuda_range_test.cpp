// The bodies that CUDA's threads run, run here thread by thread, against the CPU's tables: heads, packs and tails of
// arrays that are aligned, are not, or are shifted against each other.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>
#include <vector>

#include <doctest/doctest.h>

#include "weft/core/random.h"
#include "weft/cuda/bodies.h"
#include "weft/nn/optim.h"
#include "weft/ops/pointwise.h"

using namespace weft;
using namespace weft::cuda;

namespace {

/// A grid of `threads` threads, one after the other.
template <class Body>
void run(const Body& body, const cuda::PackRange& s, std::int64_t threads = 7) {
  for (std::int64_t t = 0; t < threads; ++t) range_loop<Body::width>(body, s, t, threads);
}

/// n numbers that begin `shift` numbers behind a 64-byte boundary.
template <class T>
class Shifted {
 public:
  Shifted(std::int64_t n, int shift, std::uint64_t seed) : n_(n), tensor_(Tensor::zeros({n + shift + 1}, dtype_of<T>)) {
    fill_normal(tensor_, RandomKey(seed, "cuda range"));
    data = tensor_.data<T>() + shift;
    guard_ = data[n];
  }
  bool same(const Shifted& other) const {
    return std::memcmp(data, other.data, static_cast<std::size_t>(n_) * sizeof(T)) == 0;
  }
  /// Nothing was written behind the end.
  bool whole() const { return std::memcmp(&data[n_], &guard_, sizeof(T)) == 0; }
  T* data;

 private:
  std::int64_t n_;
  Tensor tensor_;
  T guard_;
};

constexpr std::int64_t sizes[] = {0, 1, 3, 4, 5, 16, 67};

/// f(n, shift of the first array, shift of the others)
template <class F>
void each_layout(const F& f) {
  for (std::int64_t n : sizes)
    for (int first : {0, 1, 3})
      for (int rest : {0, 1, 2}) f(n, first, rest);
}

template <class Op, class T>
void check_unary(UnaryOp op, double p) {
  CAPTURE(std::string(Op::name));
  const UnaryKernel& reference = kernel(op, dtype_of<T>);
  each_layout([&](std::int64_t n, int first, int rest) {
    Shifted<T> x(n, first, 1), y(n, rest, 2), expected(n, rest, 2), gy(n, rest, 3);
    for (std::int64_t i = 0; i < n; ++i) x.data[i] = std::abs(x.data[i]) + T(0.1);  // where every op is defined
    const UnaryForward<Op, T> forward{x.data, y.data, static_cast<T>(p)};
    run(forward, forward.plan(n));
    reference.forward(x.data, expected.data, n, p);
    CHECK(y.same(expected));
    CHECK(y.whole());
    for (bool accumulate : {false, true}) {
      Shifted<T> gx(n, first, 4), expected_gx(n, first, 4);
      if (!accumulate)
        for (std::int64_t i = 0; i < n; ++i) gx.data[i] = std::numeric_limits<T>::quiet_NaN();  // is not read
      const UnaryVjp<Op, T> vjp{x.data, y.data, gy.data, gx.data, accumulate, static_cast<T>(p)};
      run(vjp, vjp.plan(n));
      reference.vjp(x.data, y.data, gy.data, expected_gx.data, accumulate, n, p);
      for (std::int64_t i = 0; i < n; ++i) CHECK(gx.data[i] == expected_gx.data[i]);
      CHECK(gx.whole());
    }
  });
}

template <class Op, class T>
void check_binary(BinaryOp op) {
  CAPTURE(std::string(Op::name));
  const BinaryKernel& reference = kernel(op, dtype_of<T>);
  each_layout([&](std::int64_t n, int first, int rest) {
    Shifted<T> a(n, first, 1), b(n, rest, 2), y(n, rest, 3), expected(n, rest, 3), gy(n, first, 4);
    const BinaryForward<Op, T> forward{a.data, b.data, y.data};
    run(forward, forward.plan(n));
    reference.forward(a.data, b.data, expected.data, n);
    CHECK(y.same(expected));
    for (bool accumulate : {false, true}) {
      Shifted<T> ga(n, first, 5), expected_ga(n, first, 5), gb(n, rest, 6), expected_gb(n, rest, 6);
      const BinaryVjp<Op, T, 0> of_a{a.data, b.data, y.data, gy.data, ga.data, accumulate};
      const BinaryVjp<Op, T, 1> of_b{a.data, b.data, y.data, gy.data, gb.data, accumulate};
      run(of_a, of_a.plan(n));
      run(of_b, of_b.plan(n));
      reference.vjp(a.data, b.data, y.data, gy.data, expected_ga.data, accumulate, expected_gb.data, accumulate, n);
      for (std::int64_t i = 0; i < n; ++i) {
        CHECK(ga.data[i] == expected_ga.data[i]);
        CHECK(gb.data[i] == expected_gb.data[i]);
      }
      CHECK((ga.whole() && gb.whole()));
    }
  });
}

template <template <class> class Rule, class T>
void check_update(UpdateRule::Kind kind) {
  CAPTURE(std::string(Rule<T>::name));
  UpdateRule rule{.kind = kind, .weight_decay = 0.01, .momentum = 0.9};
  each_layout([&](std::int64_t n, int first, int rest) {
    for (bool bad : {false, true}) {
      if (bad && n == 0) continue;
      Shifted<T> values(n, first, 1), grads(n, rest, 2), m(n, rest, 3), v(n, first, 4);
      Shifted<T> values2(n, first, 1), m2(n, rest, 3), v2(n, first, 4);
      for (std::int64_t i = 0; i < n; ++i) {  // second moments, and the first state of rmsprop, are not negative
        v.data[i] = v2.data[i] = std::abs(v.data[i]);
        m.data[i] = m2.data[i] = std::abs(m.data[i]);
      }
      if (bad) grads.data[n / 2] = std::numeric_limits<T>::infinity();
      int spoiled = 0;
      const Rule<T> constants(rule, 0.1, 3);
      const Update<Rule<T>, T> body{&constants, values.data, grads.data, m.data, v.data, &spoiled};
      run(body, body.plan(n));
      const bool finite = update_range<T>(rule, 0.1, 3, n, values2.data, grads.data, m2.data, v2.data);
      CHECK(finite == !bad);
      CHECK(spoiled == (bad ? 1 : 0));
      if (!bad) CHECK((values.same(values2) && m.same(m2) && v.same(v2)));
      CHECK((values.whole() && m.whole() && v.whole()));
    }
  });
}

}  // namespace

TEST_CASE("a split covers every number once, in packs that are aligned in every array") {
  alignas(64) static const char memory[256] = {};
  for (std::int64_t n = 0; n <= 21; ++n)
    for (int width : {1, 2, 4})
      for (std::size_t size : {std::size_t{1}, std::size_t{4}, std::size_t{8}})
        for (std::size_t a = 0; a < 5; ++a)
          for (std::size_t b = 0; b < 5; ++b) {
            const char *p = memory + a * size, *q = memory + b * 4;
            const cuda::PackRange s = split(n, width, {{p, size}, {q, 4}, {nullptr, 8}});
            std::multiset<std::int64_t> seen;
            for (std::int64_t i = 0; i < s.packs; ++i) {
              for (int k = 0; k < width; ++k) seen.insert(s.head + i * width + k);
              const auto first = static_cast<std::size_t>(s.head + i * width);
              const auto access = [&](std::size_t each) {
                return std::min<std::size_t>(16, each * static_cast<std::size_t>(width));
              };
              CHECK(reinterpret_cast<std::uintptr_t>(p + first * size) % access(size) == 0);
              CHECK(reinterpret_cast<std::uintptr_t>(q + first * 4) % access(4) == 0);
            }
            for (std::int64_t i = 0; i < s.singles(); ++i) seen.insert(s.single(i));
            CHECK(static_cast<std::int64_t>(seen.size()) == n);
            if (n > 0)
              CHECK((*seen.begin() == 0 && *seen.rbegin() == n - 1 &&
                     std::set(seen.begin(), seen.end()).size() == seen.size()));
            if (a == 0 && b == 0) CHECK((s.head == 0 && s.packs == n / width));  // nothing single that need not be
          }
}

TEST_CASE("pointwise bodies: every op gives the CPU's bits, forward and backward") {
#define WEFT_UNARY(Op, function)                                 \
  check_unary<Op, float>(UnaryOp::Op, parameter_of<Op>().usual); \
  check_unary<Op, double>(UnaryOp::Op, parameter_of<Op>().usual);
#define WEFT_BINARY(Op, function)        \
  check_binary<Op, float>(BinaryOp::Op); \
  check_binary<Op, double>(BinaryOp::Op);
  WEFT_UNARY_OPS(WEFT_UNARY)
  WEFT_BINARY_OPS(WEFT_BINARY)
}

TEST_CASE("update bodies: every rule gives the CPU's bits and sees a gradient that is not finite") {
#define WEFT_UPDATE(kind, Body)                      \
  check_update<Body, float>(UpdateRule::Kind::kind); \
  check_update<Body, double>(UpdateRule::Kind::kind);
  WEFT_UPDATE_RULES(WEFT_UPDATE)
}

TEST_CASE("random bodies: the numbers of core/random.h") {
  const RandomKey key = RandomKey(11, "cuda random").at(3);
  const RandomStream stream{key.seed, key.purpose};
  const auto check = [&]<class T>(T) {
    for (std::int64_t n : {0, 1, 2, 4, 6, 1003}) {
      Tensor expected = Tensor::zeros({n}, dtype_of<T>), got = Tensor::zeros({n + 1}, dtype_of<T>);
      const auto equal = [&] {
        return std::memcmp(got.raw(), expected.raw(), expected.bytes()) == 0 && got.data<T>()[n] == T(0);
      };
      fill_uniform(expected, key, -2, 3);
      const Random<Uniform<T>, T> uniform{got.data<T>(), n, stream, nullptr, Uniform<T>(-2, 3)};
      run(uniform, uniform.plan());
      CHECK(equal());
      fill_normal(expected, key, 1, 0.5);
      const Random<Normal<T>, T> normal{got.data<T>(), n, stream, nullptr, Normal<T>(1, 0.5)};
      run(normal, normal.plan());
      CHECK(equal());
    }
  };
  check(float{});
  check(double{});
}

TEST_CASE("fills and conversions are the tensor's") {
  const auto convert = [&]<class From, class To>(From, To) {
    for (std::int64_t n : sizes)
      for (std::int64_t shift : {0, 1, 2}) {
        Tensor x = Tensor::zeros({n + shift}, dtype_of<From>), got = Tensor::zeros({n + shift + 1}, dtype_of<To>);
        for (std::int64_t i = 0; i < n + shift; ++i) x.data<From>()[i] = static_cast<From>(i * 3 + 1);
        const Tensor expected = x.slice(shift, n + shift).to(dtype_of<To>);
        const Convert<From, To> body{x.data<From>() + shift, got.data<To>() + shift};
        run(body, body.plan(n));
        CHECK(std::memcmp(got.data<To>() + shift, expected.raw(), expected.bytes()) == 0);
        CHECK(got.data<To>()[n + shift] == To(0));
        const Fill<To> fill{got.data<To>() + shift, To(7)};
        run(fill, fill.plan(n));
        for (std::int64_t i = 0; i < n; ++i) CHECK(got.data<To>()[i + shift] == To(7));
        CHECK(got.data<To>()[n + shift] == To(0));
      }
  };
  convert(float{}, double{});
  convert(double{}, float{});
  convert(float{}, std::int32_t{});
  convert(std::int32_t{}, double{});
  convert(std::uint8_t{}, float{});
  convert(double{}, std::uint8_t{});
}

TEST_CASE("copies between strides put each number where it belongs, with both widths of the index") {
  const std::vector<float> from = [] {
    std::vector<float> v(1000);
    for (std::size_t i = 0; i < v.size(); ++i) v[i] = static_cast<float>(i);
    return v;
  }();
  const auto check = [&](const CopyShape& shape) {
    const auto copied = [&](auto index) {
      std::vector<float> to(1000, -1.f);
      run(StridedCopy<float, decltype(index)>{to.data() + 500, from.data() + 500, shape}, singles(shape.numel()));
      return to;
    };
    std::vector<float> expected(1000, -1.f);
    for (std::int64_t i = 0; i < shape.size[0]; ++i)
      for (std::int64_t j = 0; j < shape.size[1]; ++j)
        for (std::int64_t k = 0; k < shape.size[2]; ++k)
          expected[static_cast<std::size_t>(500 + i * shape.to[0] + j * shape.to[1] + k * shape.to[2])] =
              from[static_cast<std::size_t>(500 + i * shape.from[0] + j * shape.from[1] + k * shape.from[2])];
    CHECK(copied(std::uint32_t{}) == expected);
    CHECK(copied(std::int64_t{}) == expected);
  };
  check({3, {2, 3, 4}, {12, 4, 1}, {1, 2, 6}});     // a transposition
  check({3, {2, 3, 4}, {20, 5, 1}, {0, 0, 1}});     // a broadcast
  check({3, {2, 3, 4}, {12, 4, 1}, {-12, 4, -1}});  // backwards
  check({3, {2, 0, 4}, {12, 4, 1}, {12, 4, 1}});
  std::vector<float> one(1, -1.f);
  run(StridedCopy<float, std::uint32_t>{one.data(), from.data() + 3, {}}, singles(1));  // rank 0
  CHECK(one[0] == 3.f);
}

TEST_CASE("what follows a product adds its bias by rows or columns, then the activation") {
  const auto check = [](std::int64_t n, std::int64_t row_stride, bool per_row, std::int64_t bias_stride) {
    const std::int64_t batch = 2, m = 3, batch_stride = m * row_stride + 4;
    Tensor c = Tensor::zeros({batch * batch_stride}, DType::f32), bias = Tensor::zeros({64}, DType::f32);
    fill_normal(c, RandomKey(1, "finish"));
    fill_normal(bias, RandomKey(2, "finish"));
    const Tensor expected = c.clone();
    for (std::int64_t b = 0; b < batch; ++b)
      for (std::int64_t i = 0; i < m; ++i)
        for (std::int64_t j = 0; j < n; ++j) {
          float& x = expected.data<float>()[b * batch_stride + i * row_stride + j];
          x = Relu::f(x + bias.data<float>()[b * bias_stride + (per_row ? i : j)], 0.f);
        }
    const GemmFinish<Activate<Relu, float>, float> body{
        c.data<float>(), m, n, batch_stride, row_stride, bias.data<float>(), per_row, bias_stride, {0.f}};
    run(body, body.plan(batch));
    CHECK(std::memcmp(c.raw(), expected.raw(), c.bytes()) == 0);
    return body.plan(batch).packs > 0;
  };
  CHECK(check(8, 8, false, 0));
  CHECK(check(8, 12, true, 3));
  CHECK(!check(5, 5, false, 5));
  CHECK(!check(8, 9, false, 8));
}
