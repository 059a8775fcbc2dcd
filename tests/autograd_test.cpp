#include <algorithm>
#include <functional>

#include <doctest/doctest.h>

#include "weft/autograd/gradcheck.h"
#include "weft/groups/space.h"
#include "weft/ops/contract.h"
#include "weft/ops/pointwise.h"
#include "weft/ops/rows.h"
#include "weft/ops/view.h"

using namespace weft;

namespace {

Tensor normals(const Shape& shape, std::uint64_t seed, DType dtype = DType::f64) {
  Tensor t = Tensor::zeros(shape, dtype);
  fill_normal(t, RandomKey(seed, "autograd_test"));
  return t;
}

}  // namespace

TEST_CASE("gradients of a small expression") {
  Arena arena;
  Tape tape(arena);
  const Tensor values = normals({3}, 1);
  const Var x = tape.leaf(values);
  const Var y = sum(mul(tanh(x), x));
  tape.backward(y);
  const Tensor g = tape.grad(x).value();
  for (int i = 0; i < 3; ++i) {
    const double v = values.data<double>()[i], t = std::tanh(v);
    CHECK(g.data<double>()[i] == doctest::Approx(t + v * (1 - t * t)));
  }
}

TEST_CASE("a tape is used once, and says so") {
  Arena arena;
  Tape tape(arena);
  Var x = tape.leaf(normals({3}, 1));
  Var y = sum(tanh(x));
  CHECK_THROWS_WITH_AS(tape.grad(x), "[grad] call backward() first", AutogradError);
  tape.backward(y);
  CHECK_THROWS_WITH_AS(tape.backward(y),
                       "[backward] this step was differentiated before; record it again (a tape is used once)",
                       AutogradError);
  CHECK_THROWS_WITH_AS(tanh(x), "[tanh] recorded after backward(); reset() the tape, or open a NoGrad scope",
                       AutogradError);
  {
    NoGrad scope(tape);
    CHECK(!tanh(x).requires_grad());
  }
  tape.reset();
  CHECK_THROWS_WITH_AS(x.value(), "[tape] a variable of an earlier step was used; reset() ended its life",
                       AutogradError);
  CHECK_THROWS_WITH_AS(Var().value(), "[var] an undefined variable was used", AutogradError);
  x = tape.leaf(normals({3}, 1));
  CHECK_THROWS_WITH_AS(tape.backward(x),
                       "[backward] the output has shape [3]; give a cotangent, or reduce it to one number",
                       AutogradError);
  y = tape.constant(normals({1}, 2));
  CHECK_THROWS_WITH_AS(tape.backward(y), "[backward] the output depends on no leaf whose gradient is wanted",
                       AutogradError);
  Arena elsewhere;
  Tape other(elsewhere);
  CHECK_THROWS_WITH_AS(add(x, other.leaf(normals({3}, 1))),
                       "[tape] a variable of another tape was used; copy its value into a constant of this one",
                       AutogradError);
}

TEST_CASE("a value that was changed after it was saved is noticed; one that nobody saved is not") {
  Arena arena;
  Tape tape(arena);
  Var x = tape.leaf(normals({3}, 1), Type::plain(1), "x");
  Var y = sum(sin(x));
  tape.mutable_value(x).fill(0);
  CHECK_THROWS_WITH_AS(tape.backward(y),
                       "[sin] input 0 'x' was changed in place after it was saved for the backward pass; change "
                       "a copy",
                       AutogradError);
  tape.reset();
  x = tape.leaf(normals({3}, 1), Type::plain(1), "x");
  Var t = tanh(x);
  y = sum(t);
  tape.mutable_value(t).fill(0);
  CHECK_THROWS_WITH_AS(tape.backward(y),
                       "[tanh] its output was changed in place after it was saved for the backward pass; change "
                       "a copy",
                       AutogradError);
  tape.reset();
  x = tape.leaf(normals({3}, 1), Type::plain(1), "x");
  y = sum(tanh(x));  // needs its output only
  tape.mutable_value(x).fill(0);
  CHECK_NOTHROW(tape.backward(y));
}

TEST_CASE("a change is noticed through every view of the memory, and whoever makes it") {
  struct Step {
    Tensor values = normals({4}, 1);
    Arena arena, other_arena;
    Tape tape{arena}, other{other_arena};
    Var x = tape.leaf(values, Type::plain(1), "x");
  };
  const std::function<Var(Step&)> uses[] = {
      [](Step& s) { return sin(s.x); },
      [](Step& s) {
        return sin(reshape(s.x, {2, 2}));
      },
      [](Step& s) {
        return sin(reshape(reshape(s.x, {4, 1}), {1, 4}));
      },
      [](Step& s) { return sin(s.tape.leaf(s.values.slice(1, 3))); },
      [](Step& s) { return mul(s.tape.constant(s.values), s.x); },
  };
  const std::function<void(Step&)> changes[] = {
      [](Step& s) { s.tape.mutable_value(s.x).data<double>()[1] = 7; },
      [](Step& s) {
        s.tape.mutable_value(reshape(s.x, {4, 1})).data<double>()[1] = 7;
      },
      [](Step& s) { s.tape.mutable_value(s.tape.constant(s.values.slice(1, 2))).data<double>()[0] = 7; },
      [](Step& s) { s.other.mutable_value(s.other.constant(s.values)).data<double>()[1] = 7; },
      [](Step& s) { s.values.fill(7); },
      [](Step& s) { s.values.slice(1, 2).copy_from(Tensor::zeros({1}, DType::f64)); },
      [](Step& s) {
        fill_normal(s.values.reshape({2, 2}), RandomKey(9, "refill"));
      },
      [](Step& s) {
        s.values.data<double>()[1] = 7;
        s.values.changed();
      },
  };
  for (const auto& use : uses)
    for (const auto& change : changes) {
      Step s;
      const Var y = use(s), flat = reshape(y, {y.value().numel()});
      const Tensor cotangent = normals(flat.shape(), 2);
      change(s);
      CHECK_THROWS_AS(s.tape.backward({&flat, 1}, {&cotangent, 1}), AutogradError);
    }
}

TEST_CASE("a change of a step's own memory is noticed through every view of it, and only there") {
  Arena arena;
  Tape tape(arena);
  const Tensor values = normals({4}, 1);
  auto run = [&](const std::function<void(const Var& t, const Var& u)>& change) {
    tape.reset();
    const Var x = tape.leaf(values), t = square(x), u = square(x);
    const Var y = sum(sin(reshape(t, {4})));
    change(t, u);
    tape.backward(y);
    return tape.grad(x).value().clone();
  };
  const Tensor expected = run([](const Var&, const Var&) {});
  CHECK_THROWS_AS(run([&](const Var& t, const Var&) { tape.mutable_value(t).fill(1); }), AutogradError);
  CHECK_THROWS_AS(run([&](const Var& t, const Var&) {
                    tape.mutable_value(reshape(t, {2, 2})).fill(1);
                  }),
                  AutogradError);
  CHECK_THROWS_AS(
      run([&](const Var& t, const Var&) { tape.mutable_value(tape.constant(t.value().slice(3, 4))).fill(1); }),
      AutogradError);
  const Tensor beside = run([&](const Var&, const Var& u) { tape.mutable_value(u).fill(1); });
  CHECK(std::ranges::equal(beside.span<double>(), expected.span<double>()));
  // What was changed before it was saved is as it was saved.
  tape.reset();
  const Var x = tape.leaf(values.clone());
  tape.mutable_value(reshape(x, {2, 2})).fill(0);
  const Var y = sum(sin(x));
  tape.backward(y);
  CHECK(tape.grad(x).value().data<double>()[2] == 1);
}

TEST_CASE("changes in every step take no memory after the first") {
  Arena arena;
  Tape tape(arena);
  const Tensor values = normals({4}, 1);
  std::size_t reserved = 0;
  for (int step = 0; step < 5; ++step) {
    tape.reset();
    const Var x = tape.leaf(values, Type::plain(1), "a name that is longer than what a string holds within itself");
    for (int i = 0; i < 3; ++i) tape.mutable_value(x).fill(i);
    tape.backward(sum(sin(x)));
    if (step == 0) reserved = arena.reserved();
    CHECK(arena.reserved() == reserved);
  }
}

TEST_CASE("a gradient carries the dual type and is no weight without a metric") {
  const Space space = Space::parse("in: fixed(3); h1, h2: positive_monomial(4); p: permutation(4) W2[h2, h1*] P[p]");
  Arena arena;
  Tape tape(arena);
  const Var w = tape.leaf(normals({2, 1, 4, 4}, 1), space.type(0), "W2");
  const Var p = tape.leaf(normals({2, 1, 4}, 2), space.type(1), "P");
  const Var both[] = {relu(w), tanh(p)};
  const Tensor cotangents[] = {normals({2, 1, 4, 4}, 3), normals({2, 1, 4}, 4)};
  tape.backward(both, cotangents);
  const Var gw = tape.grad(w), gp = tape.grad(p);
  CHECK(gw.type() == space.type(0).dual());
  CHECK(gw.name() == "grad W2");
  NoGrad scope(tape);
  CHECK_THROWS_WITH_AS(add(w, gw),
                       "[add] tensor 'W2', axis 0 'h2' (positive_monomial(4)): 'h2*' of tensor 'grad W2' is its dual, "
                       "as a gradient is of its weight (it transforms by "
                       "g^-T), and no metric that turns one into the other is invariant under h2; contract them, or "
                       "take plain tensors where a metric is chosen, as an "
                       "optimiser does",
                       TypeError);
  CHECK_NOTHROW(add(p, gp));  // permutations are orthogonal: a gradient is a weight
}

TEST_CASE("gradcheck catches a wrong vjp, along a direction and in the Jacobian") {
  const auto wrong = [](Tape& tape, std::span<const Var> x) {
    const Tensor y = tape.empty(x[0].shape(), DType::f64);
    for (std::int64_t i = 0; i < y.numel(); ++i) y.data<double>()[i] = std::tanh(x[0].value().data<double>()[i]);
    return std::vector<Var>{tape.record("wrong", y, x[0].type(), {x[0]}, [](Backward& b) {
      const GradSlot g = b.grad(0);
      // The derivative without its square.
      for (std::int64_t i = 0; i < g.tensor.numel(); ++i)
        g.tensor.data<double>()[i] = b.cotangent().data<double>()[i] * (1 - b.output().data<double>()[i]);
    })};
  };
  const GradcheckInput inputs[] = {{normals({5}, 1), Type::plain(1)}};
  const auto report = gradcheck(wrong, inputs, RandomKey(1, "wrong"));
  CHECK(report.direction_error > 1e-3);
  CHECK(report.jacobian);
  CHECK(report.jacobian_error > 1e-3);
  const GradcheckInput floats[] = {{normals({5}, 1, DType::f32), Type::plain(1)}};
  CHECK_THROWS_WITH_AS(gradcheck(wrong, floats, RandomKey(1, "wrong")),
                       "[gradcheck] input 0 is float32; allowed: float64", DtypeError);
}

TEST_CASE("a type must fit its tensor") {
  const Space space = Space::parse("h: positive_monomial(4) b[h]");
  Arena arena;
  Tape tape(arena);
  CHECK_THROWS_WITH_AS(tape.leaf(normals({2, 1, 5}, 1), space.type(0), "b"),
                       "[tape] tensor 'b' of shape [2, 1, 5]: axis 0 'h' is positive_monomial(4)", ShapeError);
  CHECK_THROWS_WITH_AS(tape.leaf(normals({4}, 1), space.type(0), "b"),
                       "[tape] tensor 'b' of shape [4] has 1 axes, its type [., ., h] has 3", ShapeError);
}

TEST_CASE("gradients of intermediates share memory along a chain") {
  const Tensor values = normals({1000}, 3);
  auto peak = [&](int length) {
    Arena arena;
    Tape tape(arena);
    const Var x = tape.leaf(values);
    Var y = x;
    for (int i = 0; i < length; ++i) y = tanh(y);
    const std::size_t before = arena.used();
    tape.backward(sum(y));
    return arena.peak() - before;
  };
  CHECK(peak(20) == peak(10));
}
