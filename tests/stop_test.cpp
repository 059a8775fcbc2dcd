// Long calls end where a program asks for it, at any of their stop points, and leave nothing half done.

#include "weft/core/stop.h"

#include <functional>

#include <doctest/doctest.h>

#include "weft/core/parallel.h"
#include "weft/groups/derive.h"
#include "weft/symmetry/network.h"
#include "weft/tasks/fit.h"
#include "weft/tasks/moves.h"
#include "weft/tests/equivalence_networks.h"
#include "weft/tests/with_threads.h"

using namespace weft;
using namespace weft::testing;

namespace {

struct Stopped {};

// Of this thread: stop points until the check throws, and those passed.
thread_local std::int64_t left = 0, passed = 0;

void count_and_stop() {
  ++passed;
  if (left-- == 0) throw Stopped();
}

/// Runs the call whole, then stopped at its first, last and some stop points between; each time what it gives
/// afterwards is what it gave before.
void check_stops(const std::function<std::vector<double>()>& call) {
  // Loops within loops are stop points of the thread that called, whose share differs from run to run.
  const WithThreads alone(1);
  const std::vector<double> whole = call();
  passed = 0;
  {
    const Stoppable scope([] { ++passed; });
    CHECK(call() == whole);
  }
  const std::int64_t points = passed;
  REQUIRE(points > 1);
  for (std::int64_t i = 0; i < 16; ++i) {
    left = i * (points - 1) / 15;
    const Stoppable scope(count_and_stop);
    CHECK_THROWS_AS(call(), Stopped);
  }
  CHECK(call() == whole);
}

std::vector<double> numbers(const std::vector<Tensor>& tensors) {
  std::vector<double> out;
  for (const Tensor& t : tensors) {
    const auto span = t.span<double>();
    out.insert(out.end(), span.begin(), span.end());
  }
  return out;
}

const Space space =
    Space::parse("in: fixed(3); h: positive_monomial(9); out: fixed(2)  W1[h, in*] b1[h] W2[out, h*] b2[out]");

std::vector<Tensor> drawn(std::int64_t networks, std::uint64_t seed, DType dtype) {
  std::vector<Tensor> out;
  for (int t = 0; t < static_cast<int>(space.tensors().size()); ++t) {
    out.push_back(Tensor::zeros(space.feature_shape(t, networks, 1), dtype));
    fill_normal(out.back(), RandomKey(seed, "stop test").at(static_cast<std::uint64_t>(t)));
  }
  return out;
}

}  // namespace

TEST_CASE("stop: matching networks") {
  const auto a = drawn(1, 0, DType::f64);
  const auto b = act(random_element(space, 0, 1, 7), a);
  check_stops([&] {
    const NetworkEquivalence found = compare_networks(space, a, b, 1e-6);
    REQUIRE(found.element);
    return numbers(act(found.element->element, a));
  });
}

TEST_CASE("stop: deriving a layer") {
  check_stops([] {
    const DerivedQuadratic found = derive_quadratic(space, space, {}, 1000);
    return std::vector<double>{static_cast<double>(std::hash<std::string>()(found.terms + found.products))};
  });
}

TEST_CASE("stop: acting") {
  const auto a = drawn(4, 0, DType::f64);
  check_stops([&] { return numbers(act(random_element(space, 0, 1, 7), a)); });
}

TEST_CASE("stop: predicting") {
  const auto model = make_reader("magep", {{"channels", 2}}, space, DType::f32, RandomKey(0, "stop test"));
  const auto networks = drawn(70, 1, DType::f32);
  check_stops([&] { return predict_outputs(*model, model->prepare(networks)); });
}

TEST_CASE("stop: a check is of its thread and its scope") {
  int outer = 0;
  static int* counted;
  counted = &outer;
  const auto loop = [] { parallel_blocks(10, 1, [](std::int64_t, std::int64_t) {}); };
  {
    const Stoppable scope([] { ++*counted; });
    loop();
    {
      const Stoppable inner([] { *counted += 100; });
      loop();
    }
    loop();
  }
  loop();
  CHECK(outer == 102);
}
