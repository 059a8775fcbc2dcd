#include "weft/core/gemm.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "weft/core/error.h"
#include "weft/core/random.h"
#include "weft/tests/isa_levels.h"
#include "weft/tests/with_threads.h"

using namespace weft;
using namespace weft::testing;

namespace {

template <class T>
void halve_and_clip(T* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = y[i] > 0 ? y[i] / 2 : T(0);
}

/// A matrix per item with random strides, in a buffer that holds NaN wherever the product must not look.
template <class T>
struct Matrices {
  std::vector<T> buffer;
  std::int64_t batch_stride, row_stride, column_stride;

  Matrices(RandomKey key, std::int64_t batch, std::int64_t rows, std::int64_t columns, bool transposed, bool shared,
           bool gaps) {
    const std::int64_t inner = gaps && uniform_index(key, 0, 4) == 0 ? 2 : 1;
    const std::int64_t outer = inner * (transposed ? rows : columns) + (gaps ? uniform_index(key, 1, 5) : 0);
    row_stride = transposed ? inner : outer;
    column_stride = transposed ? outer : inner;
    const std::int64_t item = outer * (transposed ? columns : rows) + (gaps ? uniform_index(key, 2, 7) : 0);
    batch_stride = shared ? 0 : item;
    buffer.assign(static_cast<std::size_t>((shared ? 1 : batch) * item), std::numeric_limits<T>::quiet_NaN());
    for (std::int64_t b = 0; b < (shared ? 1 : batch); ++b)
      for (std::int64_t i = 0; i < rows; ++i)
        for (std::int64_t j = 0; j < columns; ++j)
          buffer[static_cast<std::size_t>(b * item + i * row_stride + j * column_stride)] =
              static_cast<T>(uniform(key, static_cast<std::uint64_t>(3 + (b * rows + i) * columns + j), -1, 1));
  }

  GemmOperand<T> operand() const { return {buffer.data(), batch_stride, row_stride, column_stride}; }
  double at(std::int64_t b, std::int64_t i, std::int64_t j) const {
    return static_cast<double>(buffer[static_cast<std::size_t>(b * batch_stride + i * row_stride + j * column_stride)]);
  }
};

/// One random product, its naive reference in double and the buffers around it.
template <class T>
struct Case {
  static constexpr std::size_t guard = 37;
  GemmShape shape;
  bool transposed_a, transposed_b, gaps;
  T beta;
  Matrices<T> a, b;
  std::int64_t c_row_stride, c_batch_stride;
  std::vector<T> before, bias;
  GemmEpilogue<T> epilogue;

  Case(RandomKey key, GemmShape s)
      : shape(s),
        transposed_a(uniform_index(key, 0, 2) == 1),
        transposed_b(uniform_index(key, 1, 2) == 1),
        gaps(uniform_index(key, 2, 2) == 1),
        beta(static_cast<T>(uniform_index(key, 3, 2))),
        a(key.at("a"), s.batch, s.m, s.k, transposed_a, uniform_index(key, 4, 3) == 0, gaps),
        b(key.at("b"), s.batch, s.k, s.n, transposed_b, uniform_index(key, 5, 3) == 0, gaps),
        c_row_stride(s.n + (gaps ? uniform_index(key, 6, 5) : 0)),
        c_batch_stride(s.m * c_row_stride + (gaps ? uniform_index(key, 7, 5) : 0)) {
    before.resize(static_cast<std::size_t>(s.batch * c_batch_stride) + 2 * guard);
    // With beta = 0 the result must not depend on what was there.
    for (std::size_t i = 0; i < before.size(); ++i)
      before[i] = beta == T(0) ? std::numeric_limits<T>::quiet_NaN() : static_cast<T>(uniform(key.at("c"), i, -1, 1));
    if (const auto kind = uniform_index(key, 8, 3); kind > 0) {
      epilogue.bias_per_row = kind == 2;
      const std::int64_t length = epilogue.bias_per_row ? s.m : s.n;
      epilogue.bias_batch_stride = uniform_index(key, 9, 2) * (length + 1);
      bias.resize(static_cast<std::size_t>(s.batch * epilogue.bias_batch_stride + length));
      for (std::size_t i = 0; i < bias.size(); ++i) bias[i] = static_cast<T>(uniform(key.at("bias"), i, -1, 1));
      epilogue.bias = bias.data();
    }
    if (uniform_index(key, 10, 2) == 1) epilogue.activation = halve_and_clip<T>;
  }

  std::vector<T> run() const {
    std::vector<T> c = before;
    gemm<T>(shape, a.operand(), b.operand(), beta, c.data() + guard, c_batch_stride, c_row_stride, epilogue);
    return c;
  }

  /// The number of wrong elements of `got`, written-over gaps and guards included.
  std::int64_t wrong(const std::vector<T>& got) const {
    std::vector<T> rest = got;
    std::int64_t count = 0;
    for (std::int64_t item = 0; item < shape.batch; ++item)
      for (std::int64_t i = 0; i < shape.m; ++i)
        for (std::int64_t j = 0; j < shape.n; ++j) {
          const auto at = guard + static_cast<std::size_t>(item * c_batch_stride + i * c_row_stride + j);
          double sum = beta == T(0) ? 0 : static_cast<double>(before[at]);
          double size = std::abs(sum) + 1;
          for (std::int64_t k = 0; k < shape.k; ++k) {
            const double term = a.at(item, i, k) * b.at(item, k, j);
            sum += term;
            size += std::abs(term);
          }
          if (epilogue.bias)
            sum += static_cast<double>(
                bias[static_cast<std::size_t>(item * epilogue.bias_batch_stride + (epilogue.bias_per_row ? i : j))]);
          if (epilogue.activation) sum = sum > 0 ? sum / 2 : 0;
          // Rounding errors of sums of random signs grow like the root of their number.
          const double tolerance = 4 * static_cast<double>(std::numeric_limits<T>::epsilon()) * size;
          count += !(std::abs(static_cast<double>(got[at]) - sum) <= tolerance);
          rest[at] = before[at];
        }
    return count + (std::memcmp(rest.data(), before.data(), rest.size() * sizeof(T)) != 0);
  }

  std::string str() const {
    return fmt::format(
        "batch {} m {} n {} k {}, a {} ({}, {}), b {} ({}, {}), beta {}, bias {}, activation {}", shape.batch, shape.m,
        shape.n, shape.k, a.batch_stride, a.row_stride, a.column_stride, b.batch_stride, b.row_stride, b.column_stride,
        beta, epilogue.bias ? (epilogue.bias_per_row ? "rows" : "columns") : "none", epilogue.activation != nullptr);
  }
};

GemmShape draw_shape(RandomKey key) {
  auto size = [&](std::uint64_t which) {
    const auto kind = uniform_index(key, which, 8);
    if (kind == 0) return uniform_index(key, which + 10, 3);            // 0, 1, 2
    if (kind == 1) return 8 * (1 + uniform_index(key, which + 10, 9));  // whole vectors
    if (kind == 2) return 100 + uniform_index(key, which + 10, 200);    // several panels
    return 1 + uniform_index(key, which + 10, 50);
  };
  return {uniform_index(key, 40, 5), size(1), size(2), uniform_index(key, 41, 30) == 0 ? 600 : size(3)};
}

template <class T>
void check_random_products(Isa level) {
  const WithIsa forced(level);
  const std::uint64_t seed = 20240611;
  for (std::uint64_t i = 0; i < 300; ++i) {
    const RandomKey key = RandomKey(seed, "gemm_test").at(i);
    const Case<T> test(key, draw_shape(key));
    INFO(fmt::format("{}, seed {}, product {}: {}", name(level), seed, i, test.str()));
    const WithThreads with(1);
    const auto one = test.run();
    CHECK(test.wrong(one) == 0);
    for (int n : {2, 4}) {
      const WithThreads with(n);
      const auto more = test.run();
      CHECK(std::memcmp(one.data(), more.data(), one.size() * sizeof(T)) == 0);
    }
  }
}

}  // namespace

TEST_CASE(
    "products of random shapes, strides and epilogues match the naive one; threads change no bit; nothing else is "
    "touched") {
  for (const Isa level : isa_levels()) {
    check_random_products<float>(level);
    check_random_products<double>(level);
  }
}

TEST_CASE("products too large for one task") {
  for (GemmShape shape : {GemmShape{1, 301, 517, 290}, GemmShape{3, 700, 70, 64}, GemmShape{1, 9, 5000, 33}}) {
    for (std::uint64_t i = 0; i < 4; ++i) {
      const Case<float> test(RandomKey(5, "gemm_test large").at(i), shape);
      INFO(test.str());
      const WithThreads with(1);
      const auto one = test.run();
      CHECK(test.wrong(one) == 0);
      const WithThreads more(4);
      const auto four = test.run();
      CHECK(std::memcmp(one.data(), four.data(), one.size() * sizeof(float)) == 0);
    }
  }
}

TEST_CASE("products over a long index: in stretches, tile by tile, which err no more for it") {
  const auto check = [](auto tag, const Case<decltype(tag)>& test) {
    INFO(test.str());
    CHECK(test.wrong(test.run()) == 0);
  };
  for (const Isa level : isa_levels()) {
    const WithIsa forced(level);
    for (GemmShape shape : {GemmShape{2, 3, 5, 4097}, GemmShape{1, 50, 70, 8192}, GemmShape{2, 1, 1, 20000}})
      for (std::uint64_t i = 0; i < 4; ++i) {
        const RandomKey key = RandomKey(6, "gemm_test long").at(i);
        check(float{}, Case<float>(key, shape));
        check(double{}, Case<double>(key, shape));
      }
    // Of equal products, whose rounding errors all have one sign: 128 roundings of a panel's 256, and no more.
    constexpr std::int64_t k = 1000000;
    const std::vector<float> a(2 * k, 0.1f), b(3 * k, 0.7f);
    std::vector<float> c(6);
    gemm<float>({1, 2, 3, k}, {a.data(), 0, k, 1}, {b.data(), 0, 3, 1}, 0.f, c.data(), 0, 3);
    for (float x : c) CHECK(std::abs(static_cast<double>(x) / (double{0.1f} * double{0.7f} * k) - 1) < 1e-5);
  }
}

TEST_CASE("a product refuses other factors and negative sizes") {
  float x = 0;
  CHECK_THROWS_WITH_AS(gemm<float>({1, 1, 1, 1}, {&x, 0, 1, 1}, {&x, 0, 1, 1}, 0.5f, &x, 0, 1),
                       "[gemm] beta 0.5; allowed: 0 or 1", UsageError);
  CHECK_THROWS_WITH_AS(gemm<float>({1, -1, 1, 1}, {&x, 0, 1, 1}, {&x, 0, 1, 1}, 0.f, &x, 0, 1),
                       "[gemm] batch 1, m -1, n 1, k 1; all must be 0 or more", ShapeError);
}
