#include <algorithm>
#include <numeric>

#include <doctest/doctest.h>

#include "weft/core/arena.h"
#include "weft/core/philox.h"
#include "weft/core/random.h"
#include "weft/core/tensor.h"
#include "weft/tests/with_threads.h"

using namespace weft;
using namespace weft::testing;

TEST_CASE("philox 4x32-10 gives the published known-answer vectors") {
  // Random123's kat_vectors: counter, key, expected.
  struct Vector {
    PhiloxBlock counter;
    PhiloxKey key;
    PhiloxBlock expected;
  };
  const Vector vectors[] = {
      {{{0, 0, 0, 0}}, {{0, 0}}, {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}}},
      {{{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}},
       {{0xffffffff, 0xffffffff}},
       {{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}}},
      {{{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}},
       {{0xa4093822, 0x299f31d0}},
       {{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}},
  };
  for (const auto& v : vectors) {
    const auto got = philox(v.counter, v.key);
    for (int i = 0; i < 4; ++i) CHECK(got.x[i] == v.expected.x[i]);
  }
}

TEST_CASE("random numbers do not depend on the number of threads, and have their moments") {
  const RandomKey key(7, "core_test");
  auto draw = [&](int n, DType dtype) {
    const WithThreads with(n);
    Tensor t = Tensor::zeros({100003}, dtype);
    fill_normal(t, key);
    return t;
  };
  for (DType dtype : {DType::f32, DType::f64}) {
    const Tensor one = draw(1, dtype);
    for (int n : {2, 4}) {
      const Tensor more = draw(n, dtype);
      CHECK(std::equal(static_cast<std::byte*>(one.raw()), static_cast<std::byte*>(one.raw()) + one.bytes(),
                       static_cast<std::byte*>(more.raw())));
    }
    const Tensor wide = one.to(DType::f64);
    double mean = 0, square = 0;
    for (double x : wide.span<double>()) mean += x, square += x * x;
    CHECK(std::abs(mean / 100003) < 0.02);
    CHECK(std::abs(square / 100003 - 1) < 0.02);
  }
  CHECK(normal(key, 17) != normal(key.at(1), 17));
  CHECK(normal(key, 17) != normal(RandomKey(7, "another purpose"), 17));
}

TEST_CASE("a permutation is one, and uniform in its first place") {
  std::vector<int> counts(5);
  for (std::uint64_t seed = 0; seed < 5000; ++seed) {
    auto p = permutation(5, RandomKey(seed, "p"));
    ++counts[static_cast<std::size_t>(p[0])];
    std::sort(p.begin(), p.end());
    for (std::int32_t i = 0; i < 5; ++i) CHECK(p[static_cast<std::size_t>(i)] == i);
  }
  for (int n : counts) CHECK(std::abs(n - 1000) < 150);
  CHECK(permutation(0, RandomKey(1, "p")).empty());
}

TEST_CASE("an arena repeats its addresses and counts its peak exactly") {
  Arena arena;
  void* first = arena.allocate(100);
  void* second = arena.allocate(3 << 20);
  CHECK(arena.used() == 128 + (3 << 20));
  const auto mark = arena.mark();
  arena.allocate(64);
  arena.rewind(mark);
  CHECK(arena.used() == 128 + (3 << 20));
  CHECK(arena.peak() == 192 + (3 << 20));
  const auto reserved = arena.reserved();
  arena.reset();
  CHECK(arena.used() == 0);
  CHECK(arena.allocate(100) == first);
  CHECK(arena.allocate(3 << 20) == second);
  CHECK(arena.reserved() == reserved);
}

TEST_CASE("sizes whose bytes cannot be counted are refused, whatever an axis of size 0 makes of them") {
  const std::int64_t most = max_numel;
  CHECK(Shape{most}.numel() == most);
  CHECK(Shape{1, most, 1, 1}.numel() == most);
  CHECK(Shape{0, most}.numel() == 0);
  CHECK_THROWS_WITH_AS(
      (Shape{std::int64_t{1} << 31, std::int64_t{1} << 31}),
      "[shape] [2147483648] and an axis of 2147483648 more; allowed: fewer than 2^60 numbers, so that 64 "
      "bits count bytes",
      ShapeError);
  const std::int64_t sizes[] = {0, 1, 2, 3, 1 << 15, 1 << 30, std::int64_t{1} << 32, most, most + 1, INT64_MAX};
  for (std::int64_t a : sizes)
    for (std::int64_t b : sizes)
      for (std::int64_t c : sizes) {
        double product = 1;
        for (const std::int64_t n : {a, b, c}) product *= static_cast<double>(std::max<std::int64_t>(n, 1));
        if (product < 0.99e18 || product > 1.2e18) {  // else a double is too coarse to say
          bool refused = false;
          try {
            const Shape shape{a, b, c};
            CHECK(shape.numel() == a * b * c);
          } catch (const ShapeError&) {
            refused = true;
          }
          CHECK(refused == (product > 1.1e18));
        }
      }
}

TEST_CASE("an arena refuses what wraps around, and stays as it was") {
  Arena arena;
  void* first = arena.allocate(64);
  CHECK_THROWS_AS(arena.allocate(SIZE_MAX), std::bad_alloc);
  CHECK_THROWS_AS(arena.allocate(SIZE_MAX - 62), std::bad_alloc);
  CHECK_THROWS_AS(arena.allocate_array<double>(SIZE_MAX / 8 + 2), std::bad_alloc);
  CHECK(arena.used() == 64);
  CHECK(arena.allocate(64) == static_cast<std::byte*>(first) + 64);
}

TEST_CASE("tensors: one version for all views of a memory, counted by whoever changes it") {
  const Tensor t = Tensor::zeros({4, 3}, DType::f32), view = t.slice(1, 3).reshape({6});
  Version last = t.version();
  auto counted = [&](auto change) {
    change();
    const bool more = t.version() > last && view.version() == t.version();
    last = t.version();
    return more;
  };
  CHECK(counted([&] { t.fill(1); }));
  CHECK(counted([&] { view.fill(1); }));
  CHECK(counted([&] { t[0].copy_from(t[1]); }));
  CHECK(counted([&] { fill_uniform(view, RandomKey(1, "v")); }));
  CHECK(counted([&] { fill_normal(view, RandomKey(1, "v")); }));
  CHECK(counted([&] { view.changed(); }));
  CHECK(!counted([&] { t.clone().fill(2); }));
  Arena arena;
  CHECK(Tensor::empty(arena, {3}, DType::f32).version() == 0);
}

TEST_CASE("tensors: slices share memory, shapes and dtypes are checked") {
  Tensor t = Tensor::zeros({3, 4}, DType::f32);
  std::iota(t.data<float>(), t.data<float>() + 12, 0.f);
  CHECK(t.slice(1, 3).shape() == Shape{2, 4});
  CHECK(t[2].data<float>()[1] == 9.f);
  t[2].data<float>()[1] = 5.f;
  CHECK(t.data<float>()[9] == 5.f);
  CHECK(t.clone().raw() != t.raw());
  CHECK(t.to(DType::f64).data<double>()[11] == 11.0);
  CHECK(t.to(DType::u8).data<std::uint8_t>()[3] == 3);
  CHECK_THROWS_WITH_AS(t.data<double>(), "[tensor] a float32 tensor of shape [3, 4] was read as float64", DtypeError);
  CHECK_THROWS_WITH_AS(t.slice(2, 5), "[slice] [2, 5) of a tensor of shape [3, 4]", ShapeError);
  CHECK_THROWS_WITH_AS(t.reshape({5}), "[reshape] [3, 4] to [5]: the number of values differs", ShapeError);
  CHECK(Tensor::zeros({0, 3}, DType::i32).numel() == 0);
}
