#include <algorithm>
#include <bit>
#include <numeric>

#include "weft/cuda/kernels.h"
#include "weft/tests/cuda_device/gpu.h"

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
  Gpu gpu;
  for (std::int64_t n : {0, 1, 3, 4, 1001, 5000002})
    for (int shift : {0, 1}) {
      gpu.arena.reset();
      const Tensor expected = Tensor::zeros({n}, dtype_of<T>);
      T* y = gpu.up<T>(expected, shift);
      fill_uniform(expected, key, -2, 3);
      cuda::fill_uniform(y, dtype_of<T>, n, key, -2, 3);
      CHECK(same_bits(gpu.down(y, {n}), expected));
      fill_normal(expected, key);
      cuda::fill_normal(y, dtype_of<T>, n, key);
      const Tensor got = gpu.down(y, {n});
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

TEST_CASE("the device's words give the CPU's permutation") {
  const Key key(6, "cuda permutation");
  const std::int64_t n = 100001;
  Gpu gpu;
  auto* words = gpu.arena.allocate_array<std::uint64_t>(n);
  cuda::permutation_words(words, n, key);
  std::vector<std::uint64_t> host(n);
  gpu.staging.download(host.data(), words, n * sizeof(std::uint64_t));
  std::vector<std::int32_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) {
    return host[static_cast<std::size_t>(a)] < host[static_cast<std::size_t>(b)];
  });
  CHECK(order == permutation(n, key));
}
