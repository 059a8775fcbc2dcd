// The measure of all checks must fail on what is no number, and so must everything that is built on it.

#include "weft/core/difference.h"

#include <limits>

#include <doctest/doctest.h>

#include "weft/autograd/gradcheck.h"
#include "weft/nfn/magep/equivariant.h"
#include "weft/tests/layer_checks.h"
#include "weft/tests/op_runner.h"
#include "weft/tests/term_checks.h"

using namespace weft;
using namespace weft::testing;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN(),
                 infinity = std::numeric_limits<double>::infinity();

Tensor tensor(const std::vector<double>& values, const Shape& shape, DType dtype = DType::f64) {
  return Tensor::from<double>(values, shape).to(dtype);
}
Tensor tensor(const std::vector<double>& values) { return tensor(values, {static_cast<std::int64_t>(values.size())}); }

/// No bound holds, from neither side.
void check_fails(double error) {
  CHECK_FALSE(error < infinity);
  CHECK_FALSE(error > 0);
}

/// The numbers of x, but NaN from the `good`-th on. Its vjp passes the cotangent on.
Var with_nan(const Var& x, std::int64_t good) {
  Tape& tape = x.tape();
  const Tensor y = tape.empty(x.shape(), x.dtype());
  y.copy_from(x.value());
  with_float(y.dtype(), "with_nan", [&](auto tag) {
    for (std::int64_t i = good; i < y.numel(); ++i)
      y.data<decltype(tag)>()[i] = static_cast<decltype(tag)>(not_a_number);
  });
  return tape.record("with_nan", y, x.type(), {x}, [](Backward& b) { b.grad(0).tensor.copy_from(b.cotangent()); });
}

/// Channel c of x times by[c]; the gradient is left out, as no test asks for it.
Var channels_times(const Var& x, const std::vector<double>& by) {
  Tape& tape = x.tape();
  const Tensor y = tape.empty(x.shape(), x.dtype());
  const std::int64_t inner = x.shape().sub(2, x.shape().rank()).numel();
  with_float(y.dtype(), "channels_times", [&](auto tag) {
    using T = decltype(tag);
    for (std::int64_t i = 0; i < y.numel(); ++i)
      y.data<T>()[i] = x.value().data<T>()[i] * static_cast<T>(by[static_cast<std::size_t>(i / inner) % by.size()]);
  });
  return tape.record("channels_times", y, x.type(), {x},
                     [](Backward& b) { b.grad(0).tensor.copy_from(b.cotangent()); });
}

const std::int64_t widths[] = {2, 3, 4, 2};

}  // namespace

TEST_CASE("difference: the largest one, over the largest expected number") {
  Difference d;
  CHECK(d.absolute() == 0);
  CHECK(d.relative() == 0);
  d.add(1.5, 1);
  d.add(-4, -4.25);
  CHECK(d.absolute() == 0.5);
  CHECK(d.relative() == 0.5 / 4.25);
  CHECK(d.relative(10) == 0.05);
  CHECK(relative_error(tensor({1, 2, 3}), tensor({1, 2, 3})) == 0);
  CHECK(relative_error(tensor({1, 2, 3}, {3}, DType::f32), tensor({1, 2, 4})) == 0.25);
  // Zeros are to be met exactly.
  CHECK(relative_error(tensor({0, 0}), tensor({0, 0})) == 0);
  CHECK(relative_error(tensor({0, 1e-30}), tensor({0, 0})) > 1e200);
  CHECK(worse(1, 2) == 2);
  CHECK(worse(2, 1) == 2);
}

TEST_CASE("difference: NaN and infinity fail wherever they stand, on either side and on both") {
  check_fails(worse(not_a_number, 1));
  check_fails(worse(1, not_a_number));
  for (const double bad : {not_a_number, infinity, -infinity})
    for (std::size_t at = 0; at < 3; ++at)
      for (const auto& [got_is, expected_is] : {std::pair{true, false}, {false, true}, {true, true}}) {
        CAPTURE(bad);
        CAPTURE(at);
        std::vector<double> got{1, 2, 3}, expected = got;
        if (got_is) got[at] = bad;
        if (expected_is) expected[at] = bad;
        check_fails(relative_error(got, expected));
        check_fails(relative_error(tensor(got), tensor(expected)));
        check_fails(relative_error(tensor(got, {3}, DType::f32), tensor(expected)));
        const Tensor good = tensor({1}), some[] = {good, tensor(got), good}, others[] = {good, tensor(expected), good};
        check_fails(relative_error(some, others));
        Difference d;
        d.add(got, expected);
        d.add(1, 1);
        check_fails(d.absolute());
        check_fails(d.relative(1));
      }
}

TEST_CASE("difference: other shapes fail, and so does a comparison of nothing") {
  const Tensor empty = Tensor::zeros({0}, DType::f64), two = tensor({1, 2});
  CHECK(relative_error(empty, empty) == 0);
  check_fails(relative_error(empty, two));
  check_fails(relative_error(two, empty));
  check_fails(relative_error(two, tensor({1, 2, 3})));
  check_fails(relative_error(two, tensor({1, 2}, {1, 2})));
  check_fails(relative_error(empty, Tensor::zeros({0, 3}, DType::f64)));
  check_fails(relative_error(std::vector<double>{1, 2}, std::vector<double>{1}));
  check_fails(relative_error(std::vector<double>{}, std::vector<double>{1}));
  const std::vector<Tensor> none, one{two}, both{two, two};
  check_fails(relative_error(none, none));
  check_fails(relative_error(one, both));
  check_fails(relative_error(both, one));
  CHECK(relative_error(both, both) == 0);
}

TEST_CASE("difference: blocks count by their own size, down to a thousandth of the tensor's") {
  // Two networks of two channels, the second a hundred times smaller; one of its numbers is off by 1 %.
  const Tensor expected = tensor({1, 2, 0.01, 0.02, -2, 1, -0.02, 0.01}, {2, 2, 2}), got = expected.clone();
  got.data<double>()[6] *= 1.01;
  CHECK(relative_error(got, expected) < 2e-4);
  CHECK(relative_error_of_blocks(got, expected, 1) == doctest::Approx(0.01));
  CHECK(relative_error_of_blocks(expected, expected, 1) == 0);
  CHECK(relative_error_of_blocks(got, expected, 0) == doctest::Approx(1e-4));
  CHECK(relative_error_of_blocks(got, expected, 2) == doctest::Approx(1e-4));
  // A channel of nothing but what is left of sums of large terms.
  got.copy_from(expected);
  for (const std::int64_t i : {2, 3, 6, 7}) got.data<double>()[i] = 3e-7, expected.data<double>()[i] = 1e-9;
  CHECK(relative_error_of_blocks(got, expected, 1) == doctest::Approx(1.495e-4));
  for (const double bad : {not_a_number, infinity}) {
    got.data<double>()[7] = bad;
    check_fails(relative_error_of_blocks(got, expected, 1));
    check_fails(relative_error_of_blocks(expected, got, 0));
  }
  check_fails(relative_error_of_blocks(expected, expected.slice(0, 1), 1));
}

TEST_CASE("self-test: a layer whose small channel is wrong passes no check") {
  const Module model;
  const Space space = mlp_space(widths, FactorKind::positive_monomial);
  const MagepEquivariant magep(model, "layer", space, 2, 2);
  const TermList& list = magep.list();
  const RandomKey key(4, "difference_test");
  const LayerData data = layer_data(list, {2, 2, 2}, key);
  // The second channel is made small, and once off by 1 %.
  auto layer = [&](double second) -> Layer {
    return [&magep, second](std::span<const Var> x, std::span<const Var> learned) {
      Vars y = scheduled(magep)(x, learned);
      for (Var& v : y) v = channels_times(v, {1, second});
      return y;
    };
  };
  CHECK(check_layer(layer(0.003), layer(0.003), list, data, true, key).empty());
  const LayerData narrow = data.to(DType::f32);
  const LayerResult small = run_layer(layer(0.003), list, narrow, true, key),
                    wrong = run_layer(layer(0.00303), list, narrow, true, key);
  CHECK(relative_error(wrong.values, small.values) < 2e-4);
  CHECK(channel_error(wrong.values, small.values, small.values.size()) > 1e-3);
}

TEST_CASE("self-test: a layer that gives NaN, in all numbers or in one, passes no check") {
  const Module model;
  const Space space = mlp_space(widths, FactorKind::positive_monomial);
  const MagepEquivariant magep(model, "layer", space, 2, 2);
  const TermList& list = magep.list();
  const RandomKey key(1, "difference_test");
  const LayerData data = layer_data(list, {2, 2, 2}, key);
  const Layer plain = scheduled(magep), slow = reference(list, 2);
  CHECK(check_layer(plain, slow, list, data, true, key).empty());
  CHECK(group_error(plain, list, data, space, key) < 1e-9);
  for (const bool all : {true, false}) {
    const Layer broken = [&](std::span<const Var> x, std::span<const Var> learned) {
      Vars y = plain(x, learned);
      for (Var& v : y) v = with_nan(v, all ? 0 : v.shape().numel() - 1);
      return y;
    };
    CHECK_FALSE(check_layer(broken, slow, list, data, true, key).empty());
    CHECK_FALSE(check_layer(plain, broken, list, data, true, key).empty());
    CHECK_FALSE(check_layer(broken, broken, list, data, true, key).empty());
    check_fails(group_error(broken, list, data, space, key));
  }
}

TEST_CASE("self-test: an operation that gives NaN passes no check, and neither does a NaN in a gradient") {
  OpCase c;
  c.name = "with_nan";
  c.shapes = {{4}};
  c.run = [](Tape&, std::span<const Var> x) { return with_nan(x[0], 3); };
  c.reference = [](std::span<const Tensor> x) {
    std::vector<double> y(x[0].span<double>().begin(), x[0].span<double>().end());
    y[3] = not_a_number;  // even where the reference says so
    return y;
  };
  CHECK_FALSE(check_value(c, RandomKey(2, "difference_test")).empty());
  // Right values, and one NaN in what the vjp gives.
  const TapeFunction f = [](Tape& tape, std::span<const Var> x) {
    const Tensor y = tape.empty(x[0].shape(), DType::f64);
    y.copy_from(x[0].value());
    return std::vector<Var>{tape.record("wrong", y, x[0].type(), {x[0]}, [](Backward& b) {
      b.grad(0).tensor.copy_from(b.cotangent());
      b.grad(0).tensor.data<double>()[1] = not_a_number;
    })};
  };
  const GradcheckInput input{tensor({1, 2, 3}), Type::plain(1)};
  const GradcheckReport report = gradcheck(f, {&input, 1}, RandomKey(3, "difference_test"));
  CHECK(report.jacobian);
  check_fails(report.direction_error);
  check_fails(report.jacobian_error);
}
