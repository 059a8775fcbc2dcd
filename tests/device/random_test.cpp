#include <algorithm>
#include <bit>
#include <numeric>

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
  const Key key = Key(5, "cuda random").at(9);
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
  const Key key(7, "device random");
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

TEST_CASE("the device's words give the CPU's permutation") {
  const Key key(6, "cuda permutation");
  const std::int64_t n = 100001;
  OnDevice there;
  auto* words = there.arena.allocate_array<std::uint64_t>(n);
  there.backend.table<RandomKernels>("permutation").permutation_words(words, n, key.seed, key.purpose);
  std::vector<std::uint64_t> host(n);
  there.backend.download(host.data(), words, n * sizeof(std::uint64_t));
  std::vector<std::int32_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) {
    return host[static_cast<std::size_t>(a)] < host[static_cast<std::size_t>(b)];
  });
  CHECK(order == permutation(n, key));
}
