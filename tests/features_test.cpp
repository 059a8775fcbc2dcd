// Features: the tensors of a space as one value, and what is done to all of them.

#include "weft/ops/features.h"

#include <doctest/doctest.h>

#include "weft/core/difference.h"
#include "weft/core/error.h"
#include "weft/groups/element.h"
#include "weft/ops/act.h"
#include "weft/ops/view.h"

using namespace weft;

namespace {

const Space space =
    Space::parse("i: fixed(2); h: positive_monomial(3); o: fixed(2) W1[h, i*; taps=2x1] b1[h] W2[o, h*]");

}  // namespace

TEST_CASE("features: named tensors, sizes, and tensors that are not there") {
  Tape tape;
  const Features x = Features::normal(tape, space, 4, 5, RandomKey(1, "features_test"));
  CHECK((x.batch() == 4 && x.channels() == 5 && x.vars().size() == 3));
  CHECK(x["W1"].shape() == Shape{4, 10, 3, 2});
  CHECK(x["W2"].type() == space.type(2));
  CHECK(x[1].name() == "b1");
  CHECK_FALSE(Features().defined());
  CHECK_THROWS_WITH_AS(x["W3"], "[space] no tensor 'W3'; there are: W1, b1, W2", UsageError);
  CHECK_THROWS_WITH_AS((Features{space, x.vars().first(2)}),
                       "[features] 2 tensors; allowed: 3, one per tensor of the space, and at least one", ShapeError);
}

TEST_CASE("features: pointwise operations are those of the tensors, typed by the space") {
  Tape tape;
  const Features x = Features::normal(tape, space, 4, 1, RandomKey(2, "features_test"), DType::f64),
                 y = Features::normal(tape, space, 4, 1, RandomKey(3, "features_test"), DType::f64);
  const Features z = relu(x) + 2 * y - x * 0.5;
  for (int t = 0; t < 3; ++t) {
    const auto a = x[t].value().span<double>(), b = y[t].value().span<double>(), got = z[t].value().span<double>();
    CHECK(z[t].type() == space.type(t));
    for (std::size_t i = 0; i < a.size(); ++i)
      CHECK(got[i] == doctest::Approx(std::max(a[i], 0.) + 2 * b[i] - 0.5 * a[i]));
  }
  CHECK_THROWS_WITH_AS(tanh(z),
                       "[tanh] tensor 'W1', axis 0 'h' (positive_monomial(3)): tanh is not homogeneous; use relu or "
                       "leaky_relu",
                       TypeError);
  CHECK_THROWS_WITH_AS(
      square(z),
      "[square] tensor 'W1' [., ., h, i*] would become [., ., h^2, i*]; allowed on features: what keeps "
      "types; use single tensors",
      TypeError);
  const Space other = Space::parse("h: positive_monomial(3) b[h]");
  CHECK_THROWS_AS(x + Features::normal(tape, other, 4, 1, RandomKey(4, "features_test"), DType::f64), ShapeError);
}

TEST_CASE("features: an element moves all tensors, and rows are gathered") {
  Tape tape;
  std::vector<Tensor> weights;
  for (int t = 0; t < 3; ++t) {
    weights.push_back(Tensor::zeros(space.feature_shape(t, 6, 1), DType::f64));
    fill_normal(weights.back(), RandomKey(5, "features_test").at(static_cast<std::uint64_t>(t)));
  }
  const Element g = Element::random(space, RandomKey(6, "features_test"));
  const Features moved = act(g, Features::leaf(tape, space, weights));
  const std::vector<Tensor> moved_tensors = act(g, weights);
  for (int t = 0; t < 3; ++t) CHECK(relative_error(moved[t].value(), moved_tensors[static_cast<std::size_t>(t)]) == 0);
  const std::int32_t rows[] = {4, 0};
  const Tensor items = Tensor::from<std::int32_t>(rows, {2});
  const Features some = Features::gathered(tape, space, weights, items);
  CHECK((some.batch() == 2 && some["b1"].type() == space.type(1)));
  CHECK(relative_error(some["W1"].value().slice(0, 1), weights[0].slice(4, 5)) == 0);
  CHECK(relative_error(gathered(tape, weights[1], items).slice(1, 2), weights[1].slice(0, 1)) == 0);
}
