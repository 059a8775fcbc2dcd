// Arrays with strides are walked as loops over their axes would.

#include "weft/core/strided_runs.h"

#include <vector>

#include <doctest/doctest.h>

#include "weft/core/random.h"
#include "weft/core/uninitialised.h"
#include "weft/tests/with_threads.h"

using namespace weft;

namespace {

/// Where each number of the array lies, in row-major order.
std::vector<std::int64_t> places(std::span<const StridedAxis> axes) {
  std::vector<std::int64_t> out = {0};
  for (const StridedAxis& axis : axes) {
    std::vector<std::int64_t> next;
    for (const std::int64_t from : out)
      for (std::int64_t i = 0; i < axis.size; ++i) next.push_back(from + i * axis.stride);
    out = std::move(next);
  }
  return out;
}

/// What the runs visit: -1 where they do not, -2 where they do twice.
std::vector<std::int64_t> visited(std::span<const StridedAxis> axes, std::size_t count) {
  std::vector<std::int64_t> out(count, -1);
  const StridedRuns runs(axes);
  runs.each([&](std::int64_t from, std::int64_t to, std::int64_t length) {
    for (std::int64_t i = 0; i < length; ++i) {
      auto& place = out.at(static_cast<std::size_t>(to + i));
      place = place == -1 ? from + i * runs.stride() : -2;
    }
  });
  return out;
}

}  // namespace

TEST_CASE("strided runs: random axes, merged, transposed, repeated and empty") {
  const RandomKey key(5, "runs");
  for (std::uint64_t n = 0; n < 2000; ++n) {
    std::vector<StridedAxis> axes(uniform_index(key.at("rank"), n, 6));
    for (std::size_t k = 0; k < axes.size(); ++k) {
      const RandomKey own = key.at("axis").at(n);
      axes[k] = {uniform_index(own.at("size"), k, 5), uniform_index(own.at("stride"), k, 4)};
      // Often as a row-major array has them, or as its transposed copy.
      if (k && uniform_index(own.at("dense"), k, 2)) axes[k - 1].stride = axes[k].size * axes[k].stride;
      if (k && uniform_index(own.at("swap"), k, 4) == 0) std::swap(axes[k - 1], axes[k]);
    }
    const auto expected = places(axes);
    CHECK(visited(axes, expected.size()) == expected);
  }
}

TEST_CASE("strided runs: strides of an empty array may be any numbers") {
  const std::vector<StridedAxis> axes = {{1048580, std::int64_t{1} << 62}, {0, 3}, {std::int64_t{1} << 40, 1}};
  CHECK(visited(axes, 0).empty());
  const std::vector<StridedAxis> last = {{0, 1048580}, {1048580, std::int64_t{1} << 62}};
  CHECK(visited(last, 0).empty());
}

TEST_CASE("strided runs: long rows and tall tiles, on any number of threads") {
  const std::vector<std::vector<StridedAxis>> cases = {{{3, 200000}, {150000, 1}},
                                                       {{1000, 1}, {700, 1000}},
                                                       {{3, 900}, {1000, 1}, {300, 2700}},
                                                       {{700, 1000}, {500, 2}}};
  for (const auto& axes : cases) {
    const auto expected = places(axes);
    for (const int n : {1, 3}) {
      const testing::WithThreads with(n);
      CHECK(visited(axes, expected.size()) == expected);
    }
  }
}

TEST_CASE("uninitialised memory is as long as it lives, also of nothing") {
  const Tensor t = uninitialised({3, 4}, DType::f64);
  CHECK(t.shape() == Shape{3, 4});
  CHECK(reinterpret_cast<std::uintptr_t>(t.raw()) % 64 == 0);
  t.fill(2);
  const Tensor copy = t;
  CHECK(copy.data<double>()[11] == 2);
  CHECK(uninitialised({0}, DType::f32).numel() == 0);
}
