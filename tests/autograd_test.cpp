#include <doctest/doctest.h>

#include "weft/autograd/gradcheck.h"
#include "weft/groups/space.h"
#include "weft/ops/contract.h"
#include "weft/ops/pointwise.h"
#include "weft/ops/rows.h"

using namespace weft;

namespace {

Tensor normals(const Shape& shape, std::uint64_t seed, DType dtype = DType::f64) {
  Tensor t = Tensor::zeros(shape, dtype);
  fill_normal(t, Key(seed, "autograd_test"));
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
  Tape other(arena);
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
                       "[sin] input 0 'x' was changed in place after it was saved for the backward pass (version 1, "
                       "saved 0); change a copy",
                       AutogradError);
  tape.reset();
  x = tape.leaf(normals({3}, 1), Type::plain(1), "x");
  Var t = tanh(x);
  y = sum(t);
  tape.mutable_value(t).fill(0);
  CHECK_THROWS_WITH_AS(tape.backward(y),
                       "[tanh] its output was changed in place after it was saved for the backward pass (version 1, "
                       "saved 0); change a copy",
                       AutogradError);
  tape.reset();
  x = tape.leaf(normals({3}, 1), Type::plain(1), "x");
  y = sum(tanh(x));  // needs its output only
  tape.mutable_value(x).fill(0);
  CHECK_NOTHROW(tape.backward(y));
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
  const auto report = gradcheck(wrong, inputs, Key(1, "wrong"));
  CHECK(report.direction_error > 1e-3);
  CHECK(report.jacobian);
  CHECK(report.jacobian_error > 1e-3);
  const GradcheckInput floats[] = {{normals({5}, 1, DType::f32), Type::plain(1)}};
  CHECK_THROWS_WITH_AS(gradcheck(wrong, floats, Key(1, "wrong")), "[gradcheck] input 0 is float32; allowed: float64",
                       DtypeError);
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
