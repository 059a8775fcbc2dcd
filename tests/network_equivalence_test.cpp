// Whole networks: moved ones are found to be the same, by the element that carries one to the other; others differ on
// an input; dead units and copies break nothing.

#include <limits>

#include <doctest/doctest.h>

#include "weft/core/difference.h"
#include "weft/core/error.h"
#include "weft/symmetry/network.h"
#include "weft/tests/disk.h"
#include "weft/tests/equivalence_networks.h"

using namespace weft;
using namespace weft::testing;

namespace {

/// What must hold of every answer: its proof.
void check_proof(const Space& space, const std::vector<Tensor>& a, const std::vector<Tensor>& b,
                 const NetworkEquivalence& found) {
  if (found.element) {
    const auto image = moved(found.element->element, a);
    for (std::size_t t = 0; t < a.size(); ++t) CHECK(relative_error(image[t], b[t]) < 1e-7);
  }
  const bool runs = random_input(space, RandomKey(0, "x"), 1).has_value();
  CHECK(found.witness.has_value() == (runs && found.decision == Decision::different));
  CHECK(found.nearest.has_value() == (found.decision != Decision::same));
  if (found.witness) {
    const NetworkWitness& w = *found.witness;
    CHECK(relative_error(evaluate_network(space, a, w.x), w.y_a) < 1e-14);
    CHECK(relative_error(evaluate_network(space, b, w.x), w.y_b) < 1e-14);
    CHECK(relative_error(w.y_a, w.y_b) > 1e-9);
  }
}

/// W1[unit, :] and b1[unit] times `in`, W2[:, unit] times `out`.
void scale_unit(const Space& space, const std::vector<Tensor>& w, std::int64_t unit, double in, double out) {
  auto times = [&](const char* name, int axis, double by) {
    const Tensor& t = w[static_cast<std::size_t>(space.tensor(name))];
    const std::int64_t inner = t.shape().sub(3 + axis, t.rank()).numel(), n = t.shape()[2 + axis];
    for (std::int64_t i = 0; i < t.numel(); ++i)
      if (i / inner % n == unit) t.data<double>()[i] *= by;
  };
  times("W1", 0, in);
  times("b1", 0, in);
  times("W2", 1, out);
}

}  // namespace

TEST_CASE("network equivalence: moved by a random element") {
  for (std::uint64_t n = 0; n < 50 * sorts; ++n) {
    const Space space = space_of(n % sorts);
    const RandomKey key(n, "network equivalence");
    auto a = random_weights(space, key.at("a"));
    // As networks start: biases of zero tell no units apart.
    if (n % 3 == 0)
      for (std::size_t t = 0; t < a.size(); ++t)
        if (space.tensors()[t].name.starts_with("b")) a[t].fill(0);
    const auto b = moved(Element::random(space, key.at("g")), a);
    const NetworkEquivalence found = compare_networks(space, a, b);
    CAPTURE(n);
    REQUIRE(found.decision == Decision::same);
    REQUIRE(found.element);
    CHECK(found.element->residual < 1e-8);
    check_proof(space, a, b, found);
    if (const auto x = random_input(space, key.at("x"), 1))
      CHECK(relative_error(evaluate_network(space, b, *x), evaluate_network(space, a, *x)) < 1e-6);
  }
}

TEST_CASE("network equivalence: one number off") {
  int unseen = 0;
  for (std::uint64_t n = 0; n < 50 * sorts; ++n) {
    const Space space = space_of(n % sorts);
    const RandomKey key(n, "network different");
    const auto a = random_weights(space, key.at("a"));
    const auto b = moved(Element::random(space, key.at("g")), a);
    const Tensor& t = b[static_cast<std::size_t>(uniform_index(key, 0, static_cast<std::int64_t>(b.size())))];
    t.data<double>()[uniform_index(key, 1, t.numel())] += 0.1;
    const NetworkEquivalence found = compare_networks(space, a, b);
    CAPTURE(n);
    const bool seen = random_input(space, key, 1).has_value();
    CHECK(found.decision != Decision::same);
    CHECK((seen || found.decision == Decision::different));  // nothing is run: no element carries a to b
    unseen += seen && found.decision == Decision::undecided;
    CHECK_FALSE(found.element);
    check_proof(space, a, b, found);
  }
  CHECK(unseen < 20);  // a ReLU that no input switches on hides what feeds it
}

TEST_CASE("network equivalence: dead units") {
  for (std::uint64_t n = 0; n < 100; ++n) {
    const Space space = space_of(n % 5);
    const RandomKey key(n, "network dead");
    const auto a = random_weights(space, key.at("a"));
    // One unit without outgoing weights, one (where it is silent then) without incoming ones; both, moved, are found.
    scale_unit(space, a, 1, 1, 0);
    const bool silent = n % 5 != 0;
    if (silent) scale_unit(space, a, 3, 0, 1);
    auto b = moved(Element::random(space, key.at("g")), a);
    CAPTURE(n);
    const NetworkEquivalence found = compare_networks(space, a, b);
    CHECK(found.decision == Decision::same);
    check_proof(space, a, b, found);
    // What a dead unit does where nothing sees it changes no function, but no element explains it.
    auto c = copies(a);
    scale_unit(space, c, 1, 3, 0);
    if (n % 5 == 0 || n % 5 == 2 || n % 5 == 4) c[0].data<double>()[c[0].shape().sub(3, c[0].rank()).numel()] += 0.5;
    if (silent) scale_unit(space, c, 3, 0, -2);
    b = moved(Element::random(space, key.at("h")), c);
    const NetworkEquivalence loose = compare_networks(space, a, b);
    CHECK(loose.decision == Decision::same);
    check_proof(space, a, b, loose);
  }
}

TEST_CASE("network equivalence: copies of a unit are undecided, not wrong") {
  const Space space = space_of(1);
  const auto a = random_weights(space, RandomKey(0, "copies"));
  for (std::int64_t i = 0; i < 3; ++i) a[0].data<double>()[3 + i] = a[0].data<double>()[i];
  a[1].data<double>()[1] = a[1].data<double>()[0];
  auto b = copies(a);  // the second copy does all the work of both
  for (std::int64_t r = 0; r < 5; ++r) {
    b[2].data<double>()[r * 6 + 1] += b[2].data<double>()[r * 6];
    b[2].data<double>()[r * 6] = 0;
  }
  CHECK(compare_networks(space, a, b).decision == Decision::undecided);
  CHECK(compare_networks(space, a, moved(Element::random(space, RandomKey(1, "copies")), a)).decision ==
        Decision::same);
}

TEST_CASE("network equivalence: what it refuses, word for word") {
  const Space space = space_of(1);
  const auto a = random_weights(space, RandomKey(0, "refusals"));
  auto b = copies(a);
  b[3].data<double>()[1] = std::numeric_limits<double>::quiet_NaN();
  CHECK(message_of<NumericError>([&] { compare_networks(space, a, b); }) ==
        "[equivalence] b2 of network b is not finite, or beyond 1e150");
  b[3] = Tensor::zeros({1, 1, 4}, DType::f64);
  CHECK(message_of<ShapeError>([&] { compare_networks(space, a, b); }) ==
        "[equivalence] b2 of network b has shape [1, 1, 4]; allowed: [1, 1, 5]");
  b.pop_back();
  CHECK(message_of<ShapeError>([&] { compare_networks(space, b, a); }) ==
        "[equivalence] network a has 7 tensors; its space has 8");
  CHECK(message_of<UsageError>([&] { compare_networks(space, a, a, 1); }) ==
        "[equivalence] tolerance 1; allowed: between 0 and 1");
  const Space other = Space::parse("n: permutation(3) A[n, n*]");
  CHECK_FALSE(random_input(other, RandomKey(0, "x"), 1));
  CHECK(message_of<UsageError>([&] {
          evaluate_network(other, std::vector{Tensor::zeros({1, 1, 3, 3}, DType::f64)}, a[0]);
        }) ==
        "[equivalence] no forward pass for the space 'n: permutation(3) A[n, n*]'; allowed: mlp, cnn and transformer "
        "spaces");
}
