// Adapters and chains of products: moved ones are the same, others differ on an input.

#include "weft/symmetry/products.h"

#include <doctest/doctest.h>

#include "weft/core/difference.h"
#include "weft/core/error.h"
#include "weft/ops/act.h"

using namespace weft;

namespace {

constexpr const char* spaces[] = {
    "r: GL(3); i: fixed(7); o: fixed(5) A[r, i*] B[o, r*]",
    // Several adapters at once, of several ranks.
    "r.0: GL(2); r.1: GL(4); i, o: fixed(6) A.0[r.0, i*] B.0[o, r.0*] A.1[r.1, i*] B.1[o, r.1*]",
    // With a size for each output, which nothing moves.
    "r: GL(3); i: fixed(4); o: fixed(3) A[r, i*] B[o, r*] m[o]",
    // A longer chain, and ends of several axes.
    "p: GL(4); q: GL(3); i: fixed(5); j: fixed(2); o: fixed(4) X[i, p, j] Y[q, p*] Z[o, q*]",
};

std::vector<Tensor> network(const Space& space, RandomKey key, DType dtype = DType::f64) {
  std::vector<Tensor> all;
  for (const SpaceTensor& tensor : space.tensors()) {
    all.push_back(Tensor::zeros(space.feature_shape(static_cast<int>(all.size()), 1, 1), dtype));
    fill_normal(all.back(), key.at(tensor.name));
  }
  return all;
}

}  // namespace

TEST_CASE("products: moved by GL they are the same, with the element") {
  for (const std::string text : spaces) {
    CAPTURE(text);
    const Space space = Space::parse(text);
    REQUIRE(is_products(space));
    for (std::uint64_t n = 0; n < 20; ++n) {
      const RandomKey key = RandomKey(1, "products_test").at(n);
      const auto a = network(space, key);
      const Element g = Element::random(space, key.at("g"));
      const auto b = act(g, a);
      const NetworkEquivalence found = compare_networks(space, a, b, 1e-9);
      CHECK(found.decision == Decision::same);
      CHECK(!found.witness);
      REQUIRE(found.element.has_value());
      CHECK(relative_error(act(found.element->element, a), b) < 1e-8);
      // Files are float32.
      std::vector<Tensor> narrow;
      for (const Tensor& t : b) narrow.push_back(t.to(DType::f32));
      CHECK(compare_networks(space, a, narrow, 1e-4).decision == Decision::same);
      // A change of one number is seen.
      std::vector<Tensor> other;
      for (const Tensor& t : b) other.push_back(t.clone());
      other[0].data<double>()[0] += 0.1;
      const NetworkEquivalence differs = compare_networks(space, a, other, 1e-6);
      CHECK(differs.decision == Decision::different);
      REQUIRE(differs.witness.has_value());
      CHECK(relative_error(differs.witness->y_a, differs.witness->y_b) > 1e-6);
    }
  }
}

TEST_CASE("products: the witness is an input and what both make of it") {
  const Space space = Space::parse(spaces[0]);
  const auto a = network(space, RandomKey(2, "products_test")), b = network(space, RandomKey(3, "products_test"));
  const NetworkEquivalence found = compare_products(space, a, b, 1e-6);
  REQUIRE(found.witness.has_value());
  const NetworkWitness& w = *found.witness;
  CHECK(w.x.shape() == Shape{8, 7});
  for (std::int64_t n = 0; n < 8; ++n)
    for (std::int64_t o = 0; o < 5; ++o) {
      double y = 0;
      for (std::int64_t r = 0; r < 3; ++r)
        for (std::int64_t i = 0; i < 7; ++i)
          y += a[1].data<double>()[o * 3 + r] * a[0].data<double>()[r * 7 + i] * w.x.data<double>()[n * 7 + i];
      CHECK(w.y_a.data<double>()[n * 5 + o] == doctest::Approx(y));
    }
}

TEST_CASE("products: equal ones of lower rank are the same, though no element carries one to the other") {
  const Space space = Space::parse(spaces[0]);
  auto a = network(space, RandomKey(4, "products_test")), b = a;
  // B is zero: A does not matter.
  a[1] = Tensor::zeros(a[1].shape(), DType::f64);
  b[1] = a[1];
  b[0] = network(space, RandomKey(5, "products_test"))[0];
  const NetworkEquivalence zero = compare_products(space, a, b, 1e-9);
  CHECK(zero.decision == Decision::same);
  CHECK(relative_error(a[0], b[0]) > 0.1);
  CHECK(compare_products(space, a, network(space, RandomKey(6, "products_test")), 1e-9).decision ==
        Decision::different);
}

TEST_CASE("products: between the same and the different lies the undecided, and other spaces are none") {
  const Space space = Space::parse(spaces[0]);
  const auto a = network(space, RandomKey(7, "products_test"));
  std::vector<Tensor> b{a[0].clone(), a[1].clone()};
  for (double& x : b[1].span<double>()) x *= 1 + 2e-3;
  CHECK(compare_products(space, a, b, 1e-3).decision == Decision::undecided);
  CHECK(compare_products(space, a, b, 3e-3).decision == Decision::same);
  CHECK(compare_products(space, a, b, 1e-4).decision == Decision::different);
  for (const std::string text :
       {"h: permutation(3); i, o: fixed(2) A[h, i*] B[o, h*]", "r: GL(3); i: fixed(2) A[r, i*]",
        "r: GL(3); i: fixed(2) A[r, i*] B[i, r*] C[i, r*]", "r: GL(3); i: fixed(2) A[r, r*] B[i]", "i: fixed(2) B[i]",
        "r: orthogonal(3); i: fixed(2) A[r, i*] B[i, r*]"}) {
    CAPTURE(text);
    CHECK(!is_products(Space::parse(text)));
  }
  CHECK_THROWS_AS(compare_products(Space::parse("i: fixed(2) A[i]"), {}, {}, 0.1), UsageError);
}
