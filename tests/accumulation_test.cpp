// Which backward passes an optimiser's step takes its gradients from, and sums over several of them.

#include <cmath>

#include <doctest/doctest.h>

#include "weft/nn/layers.h"
#include "weft/nn/losses.h"
#include "weft/nn/optim.h"
#include "weft/ops/contract.h"
#include "weft/ops/pointwise.h"
#include "weft/ops/rows.h"

using namespace weft;

namespace {

struct Two {
  Parameters p;
  int w = p.add("w", {3}, Init::normal(1)), v = p.add("v", {3}, Init::normal(1));
  Arena arena;
  Tape tape{arena};

  Two() { p.allocate(DType::f64, RandomKey(1, "accumulation_test")); }
  /// The gradients of Σ factor w² and, with `both`, Σ factor v² too.
  void pass(double factor, bool both, Gradients gradients = Gradients::replace) {
    tape.reset();
    Var y = sum(square(p.on(tape, w)));
    if (both) y = add(y, sum(square(p.on(tape, v))));
    tape.backward(scale(y, factor), gradients);
  }
  /// Of what the gradient of a parameter is made: gradient = sum * 2 * value.
  double factors(int i) const { return p.grad(i).data<double>()[1] / (2 * p.value(i).data<double>()[1]); }
};

}  // namespace

TEST_CASE("a step wants a backward pass of its own, with every parameter on its tape") {
  Two m;
  Optimiser sgd(m.p, UpdateRule::sgd());
  const Tensor before = m.p.flat_values().clone();
  const char* none = "[sgd] no backward pass since the last step; call backward() before each step, which uses it up";
  const char* missing =
      "[sgd] parameter 'v' was not on the tape of the last backward pass; put it there (its gradient is zeros then), "
      "or "
      "declare it as not trainable";
  auto unchanged = [&] {
    return std::ranges::equal(m.p.flat_values().span<double>(), before.span<double>()) && sgd.steps() == 0;
  };
  CHECK_THROWS_WITH_AS(sgd.step(0.1), none, UsageError);
  m.pass(1, false);
  CHECK_THROWS_WITH_AS(sgd.step(0.1), missing, UsageError);
  m.pass(1, true);
  m.pass(1, false);  // replaces the whole pass before it
  CHECK_THROWS_WITH_AS(sgd.step(0.1), missing, UsageError);
  CHECK(unchanged());
  m.pass(1, true);
  sgd.step(0.1);
  CHECK(sgd.steps() == 1);
  CHECK_THROWS_WITH_AS(sgd.step(0.1), none, UsageError);
  CHECK(sgd.steps() == 1);
  // On the tape, though nothing depends on it.
  m.tape.reset();
  m.p.on(m.tape, m.v);
  m.tape.backward(sum(square(m.p.on(m.tape, m.w))));
  const double v = m.p.value(m.v).data<double>()[0];
  sgd.step(0.1);
  CHECK(m.p.value(m.v).data<double>()[0] == v);
}

TEST_CASE("a model without memory says so, wherever it is asked") {
  const Module model;
  Parameters& p = model.parameters();
  const Mlp mlp(model, "head", {2, 3, 1});
  const char* message = "[parameters] 'head.0.weight' has no memory yet; init() the model once all are declared";
  Arena arena;
  Tape tape(arena);
  const int first = p.find("head.0.weight");
  CHECK_THROWS_WITH_AS(p.value(first), message, UsageError);
  CHECK_THROWS_WITH_AS(p.grad(first), message, UsageError);
  CHECK_THROWS_WITH_AS(p.on(tape, first), message, UsageError);
  CHECK_THROWS_AS(mlp(tape.constant(Tensor::zeros({4, 2}, DType::f32))), UsageError);
}

TEST_CASE("gradients add up over backward passes, until a step uses them up") {
  Two m;
  Optimiser sgd(m.p, UpdateRule::sgd());
  m.pass(1, true, Gradients::add);
  m.pass(2, false, Gradients::add);
  m.pass(4, true, Gradients::add);
  CHECK(m.factors(m.w) == doctest::Approx(7));
  CHECK(m.factors(m.v) == doctest::Approx(5));
  CHECK(m.tape.grad(m.p.on(m.tape, m.w)).value().data<double>()[1] == m.p.grad(m.w).data<double>()[1]);
  const double w = m.p.value(m.w).data<double>()[0];
  sgd.step(0.01);
  CHECK(m.p.value(m.w).data<double>()[0] == doctest::Approx(w * (1 - 0.01 * 14)));
  // The first one after a step begins anew, and a parameter that comes later begins with it.
  m.pass(8, false, Gradients::add);
  CHECK_THROWS_AS(sgd.step(0.01), UsageError);
  m.pass(16, true, Gradients::add);
  CHECK(m.factors(m.w) == doctest::Approx(24));
  CHECK(m.factors(m.v) == doctest::Approx(16));
  // One that replaces forgets them.
  m.pass(32, true);
  CHECK(m.factors(m.w) == doctest::Approx(32));
  m.pass(1, true, Gradients::add);
  CHECK(m.factors(m.v) == doctest::Approx(33));
}

TEST_CASE("the passes of small batches are the pass of a large one") {
  for (const DType dtype : {DType::f32, DType::f64}) {
    constexpr std::int64_t batch = 24;
    const Module model;
    Parameters& p = model.parameters();
    const Mlp mlp(model, "m", {5, 8, 2});
    p.allocate(dtype, RandomKey(2, "accumulation_test"));
    const Tensor x = Tensor::zeros({batch, 5}, dtype), t = Tensor::zeros({batch, 2}, dtype);
    fill_normal(x, RandomKey(3, "x"));
    fill_uniform(t, RandomKey(4, "t"));
    Arena arena;
    Tape tape(arena);
    auto gradient = [&](std::int64_t piece) {
      for (std::int64_t at = 0; at < batch; at += piece) {
        tape.reset();
        const Var y = mlp(tape.constant(x.slice(at, at + piece)));
        const Var loss = mean_all(squared_error(y, t.slice(at, at + piece)));
        tape.backward(scale(loss, static_cast<double>(piece) / batch), Gradients::add);
      }
      const Tensor sums = p.flat_grads().to(DType::f64);
      p.used_gradients();
      return sums;
    };
    const Tensor whole = gradient(batch);
    for (const std::int64_t piece : {1, 6, 12}) {
      const Tensor sums = gradient(piece);
      for (std::int64_t i = 0; i < whole.numel(); ++i)
        CHECK(std::abs(sums.data<double>()[i] - whole.data<double>()[i]) <= (dtype == DType::f32 ? 1e-6 : 1e-14));
    }
  }
}

TEST_CASE("a pass that fails leaves no gradient behind") {
  Two m;
  Optimiser sgd(m.p, UpdateRule::sgd());
  m.pass(1, true, Gradients::add);
  m.tape.reset();
  const Var w = m.p.on(m.tape, m.w), y = add(sum(square(w)), sum(sin(m.p.on(m.tape, m.v))));
  m.tape.mutable_value(w).fill(1);
  CHECK_THROWS_AS(m.tape.backward(y, Gradients::add), AutogradError);
  CHECK_THROWS_AS(sgd.step(0.1), UsageError);
  m.pass(2, true, Gradients::add);
  CHECK(m.factors(m.v) == doctest::Approx(2));
}

TEST_CASE("two models on one tape, each with its own steps") {
  Two a, b;
  Optimiser of_a(a.p, UpdateRule::sgd()), of_b(b.p, UpdateRule::sgd());
  Arena arena;
  Tape tape(arena);
  auto pass = [&](Gradients gradients) {
    tape.reset();
    Var y = sum(square(a.p.on(tape, a.w)));
    for (const auto& [p, i] : {std::pair{&a.p, a.v}, std::pair{&b.p, b.w}, std::pair{&b.p, b.v}})
      y = add(y, sum(square(p->on(tape, i))));
    tape.backward(y, gradients);
  };
  pass(Gradients::add);
  of_a.step(0);
  pass(Gradients::add);
  CHECK(a.factors(a.w) == doctest::Approx(1));
  CHECK(b.factors(b.w) == doctest::Approx(2));
  of_a.step(0);
  of_b.step(0);
  CHECK_THROWS_AS(of_b.step(0), UsageError);
}

TEST_CASE("a parameter that is itself differentiated") {
  Parameters p;
  p.add("w", {1}, Init::ones());
  p.allocate(DType::f64, RandomKey(1, "w"));
  Arena arena;
  Tape tape(arena);
  tape.backward(p.on(tape, 0), Gradients::add);
  CHECK(p.grad(0).data<double>()[0] == 1);
  tape.reset();
  CHECK_THROWS_WITH_AS(
      tape.backward(p.on(tape, 0), Gradients::add),
      "[backward] parameter 'w' is an output, and gradients are to be added up; give an operation's result",
      AutogradError);
}
