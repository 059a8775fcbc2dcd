#include <algorithm>
#include <bit>
#include <numeric>

#include "weft/core/loop.h"
#include "weft/core/permutation_bodies.h"
#include "weft/tests/device/device_under_test.h"

using namespace weft;
using namespace weft::testing;

namespace {

/// Numbers between a and b, counted along the line of floats.
template <class T>
std::int64_t ulps(T a, T b) {
  using Int = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  const auto place = [](T x) {
    const auto bits = std::bit_cast<Int>(x);
    return static_cast<std::int64_t>(bits < 0 ? std::numeric_limits<Int>::min() - bits : bits);
  };
  return std::abs(place(a) - place(b));
}

template <class T>
void check() {
  const RandomKey key = RandomKey(5, "cuda random").at(9);
  OnDevice there;
  for (std::int64_t n : {std::int64_t{0}, std::int64_t{1}, std::int64_t{3}, std::int64_t{4}, many(5000002)})
    for (int shift : {0, 1}) {
      there.arena.reset();
      const Tensor expected = Tensor::zeros({n}, dtype_of<T>);
      T* y = there.up<T>(expected, shift);
      fill_uniform(expected, key, -2, 3);
      fill_uniform(there.view(y, n), key, -2, 3);
      CHECK(same_bits(there.down(y, {n}), expected));
      fill_normal(expected, key);
      fill_normal(there.view(y, n), key);
      const Tensor got = there.down(y, {n});
      std::int64_t worst = 0;
      for (std::int64_t i = 0; i < n; ++i) worst = std::max(worst, ulps(got.data<T>()[i], expected.data<T>()[i]));
      // Double's log errs by 1 on either side, sine and cosine by 2: see docs/cuda.md.
      CHECK(worst <= (sizeof(T) == 4 ? 1 : 4));
    }
}

}  // namespace

TEST_CASE("uniform numbers of the device are the CPU's, normal ones up to the last bits") {
  check<float>();
  check<double>();
}

TEST_CASE("a counted key draws the sub-stream of its counter, wherever that lies") {
  OnDevice there;
  const RandomKey key(7, "device random");
  auto* word = there.arena.allocate_array<std::uint64_t>(1);
  for (const std::uint64_t number : {std::uint64_t{0}, std::uint64_t{3}, ~std::uint64_t{0}}) {
    const Tensor expected = Tensor::zeros({101}, DType::f32), here = expected.clone();
    fill_uniform(expected, key.at(number), -1, 2);
    fill_uniform(here, key.counted(&number), -1, 2);
    CHECK(same_bits(here, expected));
    there.backend.upload(word, &number, sizeof number);
    float* y = there.up<float>(Tensor::zeros({101}, DType::f32));
    fill_uniform(there.view(y, 101), key.counted(word), -1, 2);
    CHECK(same_bits(there.down(y, {101}), expected));
    CHECK(uniform(key.counted(&number), 5) == uniform(key.at(number), 5));
    CHECK(permutation(9, key.counted(&number)) == permutation(9, key.at(number)));
  }
}

TEST_CASE("a permutation drawn on a device is the CPU's") {
  OnDevice there;
  const RandomKey key(6, "device permutation");
  auto* word = there.arena.allocate_array<std::uint64_t>(1);
  const std::uint64_t number = 5;
  there.backend.upload(word, &number, sizeof number);
  for (const std::int64_t n : {0, 1, 2, 31, 255, 256, 257, 512, 513, 1000, 60000, 70000}) {
    CAPTURE(n);
    const Tensor order = Tensor::zeros({n}, DType::i32, &there.backend), here = Tensor::zeros({n}, DType::i32);
    for (const auto& [drawn, expected] : {std::pair(key, key), std::pair(key.counted(word), key.at(number))}) {
      const std::size_t used = there.arena.used();
      fill_permutation(order, drawn, there.arena);
      CHECK(there.arena.used() == used);
      fill_permutation(here, expected, there.arena);
      CHECK(same_bits(order.on(nullptr), here));
      const std::span<std::int32_t> numbers = here.span<std::int32_t>();
      CHECK(std::vector(numbers.begin(), numbers.end()) == permutation(n, expected));
    }
  }
  const Tensor floats = Tensor::zeros({3}, DType::f32, &there.backend);
  CHECK_THROWS_AS(fill_permutation(floats, key, there.arena), DtypeError);
}

TEST_CASE("equal words are ordered by their index, in tiles and between them") {
  OnDevice there;
  const std::int64_t n = 3 * SortTiles::tile + 7;
  std::vector<std::uint64_t> words(n);
  for (std::size_t i = 0; i < words.size(); ++i) words[i] = i * 0x9E3779B97F4A7C15u >> 61;  // of eight kinds
  std::vector<std::int32_t> expected(n);
  std::iota(expected.begin(), expected.end(), 0);
  std::stable_sort(expected.begin(), expected.end(), [&](auto a, auto b) {
    return words[static_cast<std::size_t>(a)] < words[static_cast<std::size_t>(b)];
  });
  auto* device_words = there.arena.allocate_array<std::uint64_t>(n);
  there.backend.upload(device_words, words.data(), n * sizeof(std::uint64_t));
  auto* a = there.arena.allocate_array<std::int32_t>(n);
  auto* b = there.arena.allocate_array<std::int32_t>(n);
  loop(&there.backend, n, n, SortTiles{device_words, a, n});
  for (std::int64_t run = SortTiles::tile; run < n; run *= 2, std::swap(a, b))
    loop(&there.backend, n, n, MergeRuns{device_words, a, b, n, run});
  const Tensor got = there.down(a, {n});
  CHECK(std::equal(expected.begin(), expected.end(), got.data<std::int32_t>()));
}

TEST_CASE("a device draws the lower end, and never the upper one") {
  OnDevice there;
  const Tensor t = Tensor::zeros({5000}, DType::f32);
  const auto drawn = [&](double low, double high) {
    float* y = there.up<float>(t);
    fill_uniform(there.view(y, t.numel()), RandomKey(5, "device ends"), low, high);
    return there.down(y, t.shape());
  };
  // Neighbours in float32: every second number would be rounded to the upper end.
  const Tensor neighbours = drawn(1e8, 1e8 + 8), unit = drawn(0, 1);
  for (float x : neighbours.span<float>()) CHECK(x == 1e8f);
  for (float x : unit.span<float>()) CHECK(std::fmod(static_cast<double>(x) * 0x1p24, 2) == 1);
}
