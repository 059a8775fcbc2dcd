#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <vector>

#include <doctest/doctest.h>

#include "weft/autograd/gradcheck.h"
#include "weft/core/difference.h"
#include "weft/nn/layers.h"
#include "weft/nn/learning_rate.h"
#include "weft/nn/losses.h"
#include "weft/nn/metrics.h"
#include "weft/nn/parameters.h"
#include "weft/ops/pointwise.h"
#include "weft/ops/rows.h"
#include "weft/ops/view.h"

using namespace weft;

namespace {

using Numbers = std::vector<double>;

/// The definition, pair by pair.
double tau_by_pairs(const Numbers& a, const Numbers& b) {
  double score = 0, apart_a = 0, apart_b = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) {
      const double x = a[i] < a[j] ? -1 : a[i] > a[j], y = b[i] < b[j] ? -1 : b[i] > b[j];
      score += x * y;
      apart_a += x * x;
      apart_b += y * y;
    }
  return apart_a * apart_b > 0 ? score / std::sqrt(apart_a * apart_b) : 0;
}

/// n numbers out of `values` different ones: the fewer, the more ties.
Numbers with_ties(std::size_t n, std::int64_t values, RandomKey key) {
  Numbers x(n);
  for (std::size_t i = 0; i < n; ++i) x[i] = static_cast<double>(uniform_index(key, i, values)) - 2;
  return x;
}

Tensor normals(const Shape& shape, RandomKey key) {
  Tensor t = Tensor::zeros(shape, DType::f64);
  fill_normal(t, key);
  return t;
}

using Layer = std::function<Var(const Var&)>;

/// y = layer(x) as numbers.
Numbers value_of(const Layer& layer, const Tensor& x) {
  Arena arena;
  Tape tape(arena);
  const Var y = layer(tape.constant(x));
  return {y.value().span<double>().begin(), y.value().span<double>().end()};
}

/// Relative error of the gradients of all trained parameters: their product with a random direction, against
/// differences of fourth order of <cotangent, layer(x)>.
double parameter_error(Parameters& parameters, const Layer& layer, const Tensor& x, RandomKey key) {
  const Tensor values = parameters.flat_values(), start = values.clone();
  const Tensor direction = normals(values.shape(), key.at("direction"));
  Arena arena;
  Tape tape(arena);
  parameters.flat_grads().fill(std::numeric_limits<double>::quiet_NaN());
  const Var y = layer(tape.constant(x));
  const Tensor cotangent = normals(y.shape(), key.at("cotangent"));
  tape.backward({&y, 1}, {&cotangent, 1});
  double got = 0;
  for (int i = 0; i < parameters.count(); ++i) {
    if (!parameters.trainable(i)) continue;
    const auto g = parameters.grad(i).span<double>();
    const auto offset = parameters.value(i).data<double>() - values.data<double>();
    for (std::size_t k = 0; k < g.size(); ++k)
      got += g[k] * direction.data<double>()[offset + static_cast<std::ptrdiff_t>(k)];
  }
  auto at = [&](double s) {
    for (std::int64_t k = 0; k < values.numel(); ++k)
      values.data<double>()[k] = start.data<double>()[k] + s * direction.data<double>()[k];
    const Numbers out = value_of(layer, x);
    double sum = 0;
    for (std::size_t k = 0; k < out.size(); ++k) sum += out[k] * cotangent.data<double>()[k];
    return sum;
  };
  const double h = 2e-4;
  const double expected = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
  values.copy_from(start);
  return relative_error(std::array{got}, std::array{expected});
}

void check_gradients(Parameters& parameters, const Layer& layer, const Shape& shape, RandomKey key) {
  const Tensor x = normals(shape, key.at("x"));
  CHECK(parameter_error(parameters, layer, x, key) < 1e-8);
  const GradcheckInput input{x, Type::plain(x.rank())};
  const auto report = gradcheck([&](Tape&, std::span<const Var> in) { return std::vector{layer(in[0])}; }, {&input, 1},
                                key.at("gradcheck"));
  CHECK(report.direction_error < 1e-8);
  CHECK(report.jacobian);
  CHECK(report.jacobian_error < 1e-8);
}

/// W x + b for every row of x.
Numbers dense(const Numbers& x, const Tensor& w, const Tensor& b) {
  const std::size_t in = static_cast<std::size_t>(w.dim(1)), out = static_cast<std::size_t>(w.dim(0));
  Numbers y;
  for (std::size_t r = 0; r < x.size() / in; ++r)
    for (std::size_t o = 0; o < out; ++o) {
      double sum = b.data<double>()[o];
      for (std::size_t i = 0; i < in; ++i) sum += w.data<double>()[o * in + i] * x[r * in + i];
      y.push_back(sum);
    }
  return y;
}

Numbers normalised(const Numbers& x, const Tensor& gain, const Tensor& shift) {
  const auto n = static_cast<std::size_t>(gain.numel());
  Numbers y(x.size());
  for (std::size_t r = 0; r < x.size(); r += n) {
    double mean = 0, variance = 0;
    for (std::size_t i = 0; i < n; ++i) mean += x[r + i] / static_cast<double>(n);
    for (std::size_t i = 0; i < n; ++i) variance += (x[r + i] - mean) * (x[r + i] - mean) / static_cast<double>(n);
    for (std::size_t i = 0; i < n; ++i)
      y[r + i] = (x[r + i] - mean) / std::sqrt(variance + 1e-5) * gain.data<double>()[i] + shift.data<double>()[i];
  }
  return y;
}

Numbers positive(Numbers x) {
  for (double& v : x) v = std::max(v, 0.0);
  return x;
}

void check_close(const Numbers& got, const Numbers& expected) {
  REQUIRE(got.size() == expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) CHECK(got[i] == doctest::Approx(expected[i]).epsilon(1e-12));
}

Numbers numbers(const Tensor& t) { return {t.span<double>().begin(), t.span<double>().end()}; }

}  // namespace

TEST_CASE("Kendall's tau-b is its definition, pair by pair, with and without ties") {
  for (std::uint64_t i = 0; i < 600; ++i) {
    const RandomKey key = RandomKey(21, "tau").at(i);
    const auto n = static_cast<std::size_t>(uniform_index(key, 0, 60));
    const std::int64_t ties[] = {1, 2, 5, 1000000};
    const Numbers a = with_ties(n, ties[i % 4], key.at("a")), b = with_ties(n, ties[i / 4 % 4], key.at("b"));
    INFO("case " << i << ", " << n << " values");
    const double tau = kendall_tau_b(a, b);
    CHECK(tau == tau_by_pairs(a, b));  // counts of pairs: exact
    CHECK(kendall_tau_b(b, a) == tau);
    Numbers mirrored = b, stretched = b;
    for (double& v : mirrored) v = -v;
    for (double& v : stretched) v = v * v * v + v;
    CHECK(kendall_tau_b(a, mirrored) == -tau);
    CHECK(kendall_tau_b(a, stretched) == tau);
  }
}

TEST_CASE("Kendall's tau-b refuses what has no order") {
  const Numbers two{1, 2}, three{1, 2, 3}, bad{1, std::nan(""), 3};
  CHECK_THROWS_WITH_AS(kendall_tau_b(two, three), "[kendall_tau_b] 2 values against 3", ShapeError);
  CHECK_THROWS_WITH_AS(kendall_tau_b(three, bad), "[kendall_tau_b] value 1 is NaN", NumericError);
  CHECK_THROWS_WITH_AS(kendall_tau_b(bad, three), "[kendall_tau_b] value 1 is NaN", NumericError);
  CHECK_THROWS_WITH_AS(kendall_ceiling(bad), "[kendall_ceiling] value 1 is NaN", NumericError);
}

TEST_CASE("the ceiling is the best that any order reaches") {
  for (std::uint64_t i = 0; i < 40; ++i) {
    const RandomKey key = RandomKey(22, "ceiling").at(i);
    const auto n = static_cast<std::size_t>(uniform_index(key, 0, 7));
    const Numbers truth = with_ties(n, 4, key.at("truth"));
    Numbers order(n);
    std::iota(order.begin(), order.end(), 0.0);
    double best = 0;
    do best = std::max(best, kendall_tau_b(truth, order));
    while (std::next_permutation(order.begin(), order.end()));
    INFO("case " << i);
    CHECK(kendall_ceiling(truth) == doctest::Approx(best).epsilon(1e-14));
  }
}

TEST_CASE("warm-up and cosine") {
  const WarmupCosine rate{1e-3, 1e-5, 10, 100};
  for (std::int64_t i = 0; i < 10; ++i) CHECK(rate(i) == doctest::Approx(1e-3 * static_cast<double>(i + 1) / 10));
  CHECK(rate(9) == 1e-3);
  for (std::int64_t i = 10; i < 100; ++i) {
    CHECK(rate(i) < rate(i - 1));
    // Point-symmetric about its middle, 45 steps after the peak.
    CHECK(rate(i) + rate(108 - i) == doctest::Approx(1e-3 + 1e-5));
  }
  CHECK(rate(54) == doctest::Approx((1e-3 + 1e-5) / 2));
  for (std::int64_t i : {99, 100, 1000}) CHECK(rate(i) == doctest::Approx(1e-5));
  CHECK(WarmupCosine{1, 0, 0, 1}(0) == 0);
  CHECK(WarmupCosine{1, 0, 0, 4}(1) == doctest::Approx(0.5));
}

TEST_CASE("parameters lie in one buffer, line by line, with zeros between") {
  for (DType dtype : {DType::f32, DType::f64}) {
    Parameters p;
    const int w = p.add("w", {3, 7}, Init::normal(2)), frozen = p.add("psi", {5}, Init::uniform(0.5), false),
              b = p.add("b", {3}, Init::ones()), z = p.add("z", {}, Init::zeros());
    CHECK(p.count() == 4);
    CHECK(p.trained_numbers() == 25);
    p.allocate(dtype, RandomKey(1, "parameters"));
    const auto line = static_cast<std::int64_t>(64 / size_of(dtype));
    const std::int64_t padded = (21 + line - 1) / line * line + 2 * line;
    REQUIRE(p.flat_values().shape() == Shape{padded});
    REQUIRE(p.flat_grads().shape() == Shape{padded});
    CHECK(p.find("psi") == frozen);
    CHECK(p.name(b) == "b");
    CHECK(!p.trainable(frozen));
    CHECK(!p.grad(frozen).defined());
    for (int i = 0; i < p.count(); ++i) CHECK(reinterpret_cast<std::uintptr_t>(p.value(i).raw()) % 64 == 0);
    // Everything in the buffer is a parameter's or zero.
    const Tensor flat = p.flat_values().to(DType::f64);
    double all = 0, own = 0;
    for (double v : flat.span<double>()) all += std::abs(v);
    for (int i : {w, b, z})
      for (double v : numbers(p.value(i).to(DType::f64))) own += std::abs(v);
    CHECK(all == doctest::Approx(own));
    p.value(b).fill(7);
    CHECK(p.flat_values().to(DType::f64).data<double>()[(21 + line - 1) / line * line] == 7);
    for (double v : numbers(p.value(frozen).to(DType::f64))) CHECK(std::abs(v) <= 0.5);
  }
}

TEST_CASE("parameters whose numbers no 64 bits count the bytes of are refused") {
  Parameters p;
  for (const char* name : {"a", "b", "c"}) p.add(name, {max_numel / 3}, Init::constant(0));
  CHECK_THROWS_WITH_AS(p.allocate(DType::f32, RandomKey(1, "large")),
                       "[parameters] with 'c' they are 2^60 numbers or more; take fewer channels", ShapeError);
}

TEST_CASE("a parameter's start depends on its name and the key alone") {
  Parameters one, two;
  one.add("w", {40, 40}, Init::xavier_normal(60, 40));
  const int v = one.add("v", {40, 40}, Init::xavier_normal(60, 40));
  two.add("before", {9}, Init::normal(1));
  const int w = two.add("w", {40, 40}, Init::xavier_normal(60, 40));
  one.allocate(DType::f64, RandomKey(2, "start"));
  two.allocate(DType::f64, RandomKey(2, "start"));
  CHECK(numbers(one.value(0)) == numbers(two.value(w)));
  CHECK(numbers(one.value(0)) != numbers(one.value(v)));
  double square = 0;
  for (double v : numbers(one.value(0))) square += v * v / 1600;
  CHECK(square == doctest::Approx(0.02).epsilon(0.15));  // 2 / (60 + 40)
  one.allocate(DType::f64, RandomKey(3, "start"));
  CHECK(numbers(one.value(0)) != numbers(two.value(w)));
}

TEST_CASE("parameters say what is wrong") {
  Parameters p;
  p.add("w", {2}, Init::normal(1));
  CHECK_THROWS_WITH_AS(p.add("w", {3}, Init::zeros()), "[parameters] 'w' exists already", UsageError);
  CHECK_THROWS_WITH_AS(p.find("v"), "[parameters] no parameter 'v'", UsageError);
  p.allocate(DType::f64, RandomKey(1, "p"));
  CHECK_THROWS_WITH_AS(p.add("v", {3}, Init::zeros()), "[parameters] 'v' added after allocate()", UsageError);
  Arena arena;
  Tape tape(arena);
  const Var y = sum(sin(p.on(tape, 0)));
  p.changed();
  CHECK_THROWS_AS(tape.backward(y), AutogradError);
}

TEST_CASE("a frozen parameter is a constant") {
  Parameters p;
  p.add("w", {2}, Init::normal(1));
  p.add("psi", {2}, Init::normal(1), false);
  p.allocate(DType::f64, RandomKey(1, "p"));
  Arena arena;
  Tape tape(arena);
  CHECK(p.on(tape, 0).requires_grad());
  CHECK(!p.on(tape, 1).requires_grad());
  CHECK(p.on(tape, 1).name() == "psi");
}

TEST_CASE("targets, labels and indices may be refilled before the backward pass, however") {
  const Tensor x = Tensor::zeros({4, 3}, DType::f64), target = Tensor::zeros({4, 3}, DType::f64),
               label = Tensor::zeros({4}, DType::i32);
  fill_uniform(x, RandomKey(1, "x"), 0.1, 0.9);
  const std::function<Var(const Var&)> losses[] = {
      [&](const Var& v) { return mean_all(squared_error(v, target)); },
      [&](const Var& v) { return mean_all(binary_cross_entropy(v, target)); },
      [&](const Var& v) { return mean_all(binary_cross_entropy_with_logits(v, target)); },
      [&](const Var& v) { return mean_all(cross_entropy(v, label)); },
      [&](const Var& v) { return mean_all(square(gather(v, 0, label))); },
  };
  Arena arena;
  Tape tape(arena);
  for (const auto& loss : losses) {
    auto gradient = [&](bool refill) {
      target.fill(0.25);
      label.fill(1);
      tape.reset();
      const Var v = tape.leaf(x), y = loss(v);
      if (refill) {
        target.data<double>()[0] = 0.75;
        label.data<std::int32_t>()[0] = 2;
        target.slice(1, 2).fill(0.5);
        label.slice(1, 2).fill(0);
      }
      tape.backward(y);
      const auto g = tape.grad(v).value().span<double>();
      return Numbers(g.begin(), g.end());
    };
    CHECK(gradient(true) == gradient(false));
  }
}

TEST_CASE("linear: value and gradients") {
  const Module model;
  Parameters& p = model.parameters();
  const Linear layer(model, "l", 4, 3);
  p.allocate(DType::f64, RandomKey(4, "linear"));
  const Tensor w = p.value(p.find("l.weight")), b = p.value(p.find("l.bias"));
  for (double v : numbers(w)) CHECK(std::abs(v) <= 0.5);  // 1 / sqrt(4)
  const Tensor x = normals({5, 4}, RandomKey(5, "x"));
  check_close(value_of([&](const Var& in) { return layer(in); }, x), dense(numbers(x), w, b));
  check_gradients(
      p, [&](const Var& in) { return layer(in); }, {5, 4}, RandomKey(6, "linear"));
  check_gradients(
      p, [&](const Var& in) { return layer(in, UnaryOp::Tanh); }, {5, 4}, RandomKey(7, "linear tanh"));
}

TEST_CASE("layer norm: value and gradients") {
  const Module model;
  Parameters& p = model.parameters();
  const LayerNormLayer layer(model, "n", 6);
  p.allocate(DType::f64, RandomKey(8, "norm"));
  const Tensor gain = p.value(p.find("n.gain")), shift = p.value(p.find("n.shift"));
  CHECK(numbers(gain) == Numbers(6, 1.0));
  CHECK(numbers(shift) == Numbers(6, 0.0));
  fill_normal(gain, RandomKey(9, "gain"));
  fill_normal(shift, RandomKey(9, "shift"));
  const Tensor x = normals({3, 6}, RandomKey(10, "x"));
  check_close(value_of([&](const Var& in) { return layer(in); }, x), normalised(numbers(x), gain, shift));
  check_gradients(
      p, [&](const Var& in) { return layer(in); }, {3, 6}, RandomKey(11, "norm"));
}

TEST_CASE("mlp: value and gradients, with and without layer norm") {
  for (bool norm : {false, true}) {
    const Module model;
    Parameters& p = model.parameters();
    const Mlp mlp(model, "m", {4, 6, 5, 2}, norm);
    p.allocate(DType::f64, RandomKey(12, "mlp"));
    CHECK(p.count() == (norm ? 10 : 6));
    auto value = [&](const char* name) { return p.value(p.find(name)); };
    const Tensor x = normals({3, 4}, RandomKey(13, "x"));
    Numbers y = dense(numbers(x), value("m.0.weight"), value("m.0.bias"));
    if (norm) y = normalised(y, value("m.0.norm.gain"), value("m.0.norm.shift"));
    y = dense(positive(y), value("m.1.weight"), value("m.1.bias"));
    if (norm) y = normalised(y, value("m.1.norm.gain"), value("m.1.norm.shift"));
    y = dense(positive(y), value("m.2.weight"), value("m.2.bias"));
    check_close(value_of([&](const Var& in) { return mlp(in); }, x), y);
    check_gradients(
        p, [&](const Var& in) { return mlp(in); }, {3, 4}, RandomKey(14, "mlp"));
  }
  CHECK_THROWS_WITH_AS(Mlp(Module(), "m", {4}), "[mlp] 'm' has 1 sizes; allowed: at least fan_in and fan_out",
                       UsageError);
}

TEST_CASE("a layer that is used twice in a step has the gradient of both uses") {
  const Module model;
  Parameters& p = model.parameters();
  const Linear layer(model, "l", 4, 4), unused(model, "u", 4, 4);
  p.allocate(DType::f64, RandomKey(15, "twice"));
  const Layer twice = [&](const Var& x) {
    const Var y = layer(tanh(layer(x)));
    unused(x);
    layer(y);  // recorded, but nothing depends on it
    return y;
  };
  check_gradients(p, twice, {3, 4}, RandomKey(16, "twice"));
  CHECK(numbers(p.grad(p.find("u.weight"))) == Numbers(16, 0.0));
}

TEST_CASE("dropout keeps the mean, and its share") {
  constexpr double rate = 0.3;
  Arena arena;
  Tape tape(arena);
  const Tensor ones = Tensor::zeros({100, 200}, DType::f64);
  ones.fill(1);
  const Var x = tape.constant(ones), y = dropout(x, rate, RandomKey(17, "dropout"));
  CHECK(y.shape() == Shape{100, 200});
  double dropped = 0;
  for (double v : y.value().span<double>()) {
    CHECK((v == 0 || v == 1 / (1 - rate)));
    dropped += v == 0;
  }
  CHECK(std::abs(dropped / 20000 - rate) < 0.015);
  CHECK(numbers(dropout(x, rate, RandomKey(18, "dropout")).value()) != numbers(y.value()));
  CHECK(numbers(dropout(x, 0, RandomKey(17, "dropout")).value()) == numbers(ones));
  CHECK_THROWS_AS(dropout(x, 1, RandomKey(17, "dropout")), UsageError);

  const GradcheckInput input{normals({3, 5}, RandomKey(19, "x")), Type::plain(2)};
  const auto report = gradcheck(
      [](Tape&, std::span<const Var> in) { return std::vector{dropout(in[0], 0.5, RandomKey(20, "dropout"))}; },
      {&input, 1}, RandomKey(20, "gradcheck"));
  CHECK(report.jacobian);
  CHECK(report.jacobian_error < 1e-8);
}
