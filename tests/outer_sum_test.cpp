// Gradients in factored form: as numbers, on the tape, and used up by an optimiser.

#include <cmath>

#include <doctest/doctest.h>

#include "weft/core/difference.h"
#include "weft/nn/losses.h"
#include "weft/nn/trainer.h"
#include "weft/ops/contract.h"
#include "weft/ops/view.h"

using namespace weft;

namespace {

Tensor normals(const Shape& shape, DType dtype, RandomKey key) {
  const Tensor t = Tensor::zeros(shape, dtype);
  fill_normal(t, key);
  return t;
}

/// y[b] = Σ_oi g[b, o] W[o, i] x[b, i], whose gradient by W, for a cotangent of ones, is a sum of outer products.
Var bilinear(const Var& W, const Tensor& g, const Tensor& x) {
  Tape& tape = W.tape();
  const Tensor y = tape.empty({g.dim(0)}, g.dtype());
  with_float(g.dtype(), "bilinear", [&](auto tag) {
    using T = decltype(tag);
    for (std::int64_t b = 0; b < g.dim(0); ++b) {
      const T *left = g[b].data<T>(), *right = x[b].data<T>(), *w = W.value().data<T>();
      T sum = 0;
      for (std::int64_t o = 0; o < g.dim(1); ++o)
        for (std::int64_t i = 0; i < x.dim(1); ++i) sum += left[o] * *w++ * right[i];
      y.data<T>()[b] = sum;
    }
  });
  auto* sum = new (tape.arena().allocate(sizeof(OuterSum)))
      OuterSum{g.dtype(), 1, 1, g.dim(1), x.dim(1), g.dim(0), {g.raw(), g.dim(1), 0, 0}, {x.raw(), x.dim(1), 0, 0}};
  return tape.record("bilinear", y, Type::plain(1), {W}, [sum](Backward& back) { back.add_outer(0, *sum); });
}

}  // namespace

TEST_CASE("outer_sum: pieces of any range are the sum's numbers") {
  const std::int64_t n1 = 3, n2 = 2, rows = 4, columns = 5, rank = 3;
  const RandomKey key(1, "outer_sum_test");
  const Tensor left = normals({rank, n1 * n2 * rows}, DType::f64, key.at("left")),
               right = normals({rank, n1 * columns}, DType::f64, key.at("right"));
  const OuterSum sum{DType::f64,
                     n1,
                     n2,
                     rows,
                     columns,
                     rank,
                     {left.raw(), n1 * n2 * rows, n2 * rows, rows},
                     {right.raw(), n1 * columns, columns, 0}};
  std::vector<double> expected;
  for (std::int64_t i = 0; i < n1; ++i)
    for (std::int64_t j = 0; j < n2; ++j)
      for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t c = 0; c < columns; ++c) {
          double s = 0;
          for (std::int64_t b = 0; b < rank; ++b)
            s += left[b].data<double>()[(i * n2 + j) * rows + r] * right[b].data<double>()[i * columns + c];
          expected.push_back(s);
        }
  REQUIRE(sum.numel() == static_cast<std::int64_t>(expected.size()));
  for (std::int64_t begin = 0; begin < sum.numel(); begin += 3)
    for (std::int64_t end = begin; end <= sum.numel(); end += 7)
      for (const double beta : {0., 1.}) {
        std::vector<double> got(static_cast<std::size_t>(end - begin), 0.25);
        form<double>(sum, begin, end, beta, got.data());
        for (std::int64_t i = begin; i < end; ++i)
          CHECK(got[static_cast<std::size_t>(i - begin)] ==
                doctest::Approx(expected[static_cast<std::size_t>(i)] + 0.25 * beta).epsilon(1e-12));
      }
}

TEST_CASE("outer_sum: optimisers take the same steps with factored gradients as with whole ones") {
  for (const DType dtype : {DType::f32, DType::f64})
    for (int kind = 0; kind < static_cast<int>(UpdateRule::Kind::count); ++kind) {
      const UpdateRule rule{.kind = static_cast<UpdateRule::Kind>(kind), .weight_decay = 0.1, .momentum = 0.9};
      CAPTURE(name(rule.kind));
      // Wider than a block, and narrow with odd rows.
      for (const Shape& shape : {Shape{3, 9001}, Shape{700, 37}}) {
        const RandomKey key(2, "outer_sum_test");
        const Tensor g = normals({5, shape[0]}, dtype, key.at("g")), x = normals({5, shape[1]}, dtype, key.at("x"));
        auto train = [&](GradientForm form) {
          Parameters p;
          const int W = p.add("W", shape, Init::normal(0.1), true, form), b = p.add("b", {5}, Init::zeros());
          p.allocate(dtype, key);
          Optimiser optimiser(p, rule);
          Arena arena;
          Tape tape(arena);
          for (int step = 0; step < 3; ++step) {
            // Two uses of one parameter: their gradients add up.
            const Var w = p.on(tape, W),
                      y[] = {bilinear(w, g, x), contract("b,b->b", p.on(tape, b), bilinear(w, g, x))};
            Tensor ones = Tensor::zeros({5}, dtype);
            ones.fill(1);
            const Tensor both[] = {ones, ones};
            tape.backward(y, both);
            CHECK(p.gradient(W)->factored == (form == GradientForm::outer));
            optimiser.step(1e-2);
            tape.reset();
          }
          return std::pair{p.value(W).clone(), p.value(b).clone()};
        };
        const auto whole = train(GradientForm::whole), factored = train(GradientForm::outer);
        CHECK(largest_difference(whole.first, factored.first) < (dtype == DType::f32 ? 2e-6 : 1e-12));
        CHECK(largest_difference(whole.second, factored.second) < (dtype == DType::f32 ? 1e-3 : 1e-9));
      }
    }
}

TEST_CASE("outer_sum: inspection forms the gradient, in its time") {
  const RandomKey key(3, "outer_sum_test");
  const Tensor g = normals({4, 6}, DType::f64, key.at("g")), x = normals({4, 7}, DType::f64, key.at("x"));
  Parameters p;
  const int W = p.add("W", {6, 7}, Init::normal(1), true, GradientForm::outer),
            unused = p.add("unused", {3}, Init::zeros(), true, GradientForm::outer);
  p.allocate(DType::f64, key);
  CHECK(p.flat_grads().numel() == 0);
  CHECK(p.flat_values().numel() == 48 + 8);
  Optimiser adam(p, UpdateRule::adam());
  CHECK_THROWS_WITH_AS(
      adam.step(1e-3),
      "[adam] no backward pass since the last step; call backward() before each step, which uses it up", UsageError);
  Arena arena;
  {
    Tape tape(arena);
    const Var w = p.on(tape, W), y = bilinear(w, g, x);
    p.on(tape, unused);
    const Tensor ones = Tensor::zeros({4}, DType::f64);
    tape.backward({&y, 1}, {&ones, 1});
    Tensor expected = Tensor::zeros({6, 7}, DType::f64);
    for (int b = 0; b < 4; ++b)
      for (int o = 0; o < 6; ++o)
        for (int i = 0; i < 7; ++i) expected[o].data<double>()[i] += g[b].data<double>()[o] * x[b].data<double>()[i];
    CHECK(largest_difference(p.grad(W), expected) < 1e-14);
    CHECK(largest_difference(tape.grad(w).value(), expected) < 1e-14);
    CHECK(largest_difference(p.grad(unused), Tensor::zeros({3}, DType::f64)) == 0);
    CHECK(largest_difference(p.all_grads().slice(0, 42).reshape({6, 7}), expected) < 1e-14);
    tape.reset();
    CHECK_THROWS_WITH_AS(
        adam.step(1e-3),
        "[adam] parameter 'W' has no gradient now; allowed: a step after backward(), before the tape's "
        "reset()",
        UsageError);
    CHECK(adam.steps() == 0);
    CHECK_THROWS_WITH_AS(p.grad(W),
                         "[parameters] 'W' has no gradient now; allowed: after backward(), before the tape's reset()",
                         UsageError);
    const Var again = p.on(tape, W), z = bilinear(again, g, x);
    tape.backward({&z, 1}, {&ones, 1});
  }
  CHECK_THROWS_AS(p.grad(W), UsageError);  // the tape is gone

  Tape tape(arena);
  const Var w = p.on(tape, W), plain = contract("oi,oi->o", w, w);
  const Tensor ones = Tensor::zeros({6}, DType::f64);
  CHECK_THROWS_WITH_AS(tape.backward({&plain, 1}, {&ones, 1}),
                       "[contract] parameter 'W' keeps its gradient as outer products, which this operation does not "
                       "give; declare it with GradientForm::whole",
                       AutogradError);
}

TEST_CASE("outer_sum: factored gradients add up over backward passes as whole ones do") {
  for (const DType dtype : {DType::f32, DType::f64}) {
    // Wider than a block, and narrow with odd rows.
    for (const Shape& shape : {Shape{3, 9001}, Shape{70, 37}}) {
      const RandomKey key(5, "outer_sum_test");
      const Tensor g = normals({6, shape[0]}, dtype, key.at("g")), x = normals({6, shape[1]}, dtype, key.at("x"));
      auto train = [&](GradientForm form, std::int64_t piece) {
        Parameters p;
        const int W = p.add("W", shape, Init::normal(0.1), true, form), b = p.add("b", {2}, Init::zeros());
        p.allocate(dtype, key);
        Optimiser optimiser(p, UpdateRule::adam());
        Arena arena;
        Tape tape(arena);
        Tensor formed;
        for (int step = 0; step < 3; ++step) {
          for (std::int64_t at = 0; at < 6; at += piece) {
            tape.reset();
            const Var y = bilinear(p.on(tape, W), g.slice(at, at + piece), x.slice(at, at + piece));
            p.on(tape, b);
            Tensor ones = Tensor::zeros({piece}, dtype);
            ones.fill(1);
            tape.backward({&y, 1}, {&ones, 1}, piece == 6 ? Gradients::replace : Gradients::add);
            if (piece == 6) continue;
            const void* memory = p.grad(W).raw();
            CHECK((!formed.defined() || formed.raw() == memory));  // taken once
            formed = p.grad(W);
          }
          optimiser.step(1e-2);
        }
        return p.value(W).clone();
      };
      const Tensor expected = train(GradientForm::whole, 6);
      for (const auto& [form, piece] : {std::pair{GradientForm::whole, 2}, std::pair{GradientForm::outer, 2},
                                        std::pair{GradientForm::outer, 3}, std::pair{GradientForm::outer, 6}})
        CHECK(largest_difference(train(form, piece), expected) < (dtype == DType::f32 ? 2e-5 : 1e-12));
    }
  }
}

TEST_CASE("outer_sum: a pass whose factors are gone cannot be added to") {
  const RandomKey key(6, "outer_sum_test");
  const Tensor g = normals({2, 3}, DType::f64, key.at("g")), x = normals({2, 5}, DType::f64, key.at("x"));
  const Tensor ones = Tensor::zeros({2}, DType::f64);
  ones.fill(1);
  Parameters p;
  const int W = p.add("W", {3, 5}, Init::normal(1), true, GradientForm::outer);
  p.allocate(DType::f64, key);
  Arena arena, other_arena;
  Tape tape(arena), other(other_arena);
  auto pass = [&](Tape& on, Gradients gradients) {
    on.reset();
    const Var y = bilinear(p.on(on, W), g, x);
    on.backward({&y, 1}, {&ones, 1}, gradients);
  };
  pass(tape, Gradients::replace);
  const Tensor one = p.grad(W).clone();
  CHECK_THROWS_WITH_AS(pass(tape, Gradients::add),
                       "[backward] parameter 'W': an earlier pass kept its gradient as outer products, which reset() "
                       "ended; allowed: Gradients::add in each of the passes that are to be added up",
                       AutogradError);
  // Factors that another tape still holds can be.
  pass(tape, Gradients::replace);
  pass(other, Gradients::add);
  auto is = [&](double times) {
    double worst = 0;
    for (std::int64_t i = 0; i < one.numel(); ++i)
      worst += std::abs(p.grad(W).data<double>()[i] - times * one.data<double>()[i]);
    return worst < 1e-12;
  };
  CHECK(is(2));
  tape.reset();  // ends factors that nobody needs any more
  CHECK(is(2));
  pass(other, Gradients::replace);
  tape.reset();  // none of its own
  CHECK(is(1));
}

TEST_CASE("outer_sum: a factored gradient that is not finite is named") {
  const RandomKey key(4, "outer_sum_test");
  const Tensor g = normals({2, 3}, DType::f32, key.at("g")), x = normals({2, 5}, DType::f32, key.at("x"));
  x.data<float>()[4] = INFINITY;
  Parameters p;
  const int W = p.add("W", {3, 5}, Init::zeros(), true, GradientForm::outer);
  p.allocate(DType::f32, key);
  Optimiser adam(p, UpdateRule::adam());
  Arena arena;
  Tape tape(arena);
  const Var y = bilinear(p.on(tape, W), g, x);
  const Tensor ones = Tensor::zeros({2}, DType::f32);
  tape.backward({&y, 1}, {&ones, 1});
  CHECK_THROWS_WITH_AS(adam.step(1e-3),
                       "[adam] step 1: the gradient of 'W' holds a NaN or infinity; lower the learning rate",
                       NumericError);
}

TEST_CASE("outer_sum: gradients that are gathered are their holder's") {
  const RandomKey key(4, "outer_sum_test");
  const Tensor g = normals({2, 3}, DType::f64, key.at("g"));
  Parameters p;
  const int W = p.add("W", {3, 4}, Init::ones(), true, GradientForm::outer), b = p.add("b", {2}, Init::ones());
  p.allocate(DType::f64, key);
  Arena arena;
  Tape tape(arena);
  auto gather = [&](double x) {
    tape.reset();
    const Tensor inputs = Tensor::zeros({2, 4}, DType::f64), ones = Tensor::zeros({2}, DType::f64);
    inputs.fill(x);
    ones.fill(1);
    const Var y = contract("b,b->b", p.on(tape, b), bilinear(p.on(tape, W), g, inputs));
    tape.backward({&y, 1}, {&ones, 1});
    return p.all_grads();
  };
  Tensor first = gather(1);
  const Tensor kept = first.clone(), part = gather(2).slice(0, 2);
  CHECK(first.raw() != part.raw());
  CHECK(largest_difference(first, kept) == 0);
  Tensor doubled = kept.clone();
  for (double& value : doubled.span<double>()) value *= 2;
  CHECK(largest_difference(part, doubled.slice(0, 2)) == 0);
  const void* taken = part.raw();
  CHECK(gather(3).raw() != taken);

  Tensor last = gather(1);
  CHECK(largest_difference(last, kept) == 0);
  taken = last.raw();
  last = {};
  last = gather(2);
  CHECK(last.raw() == taken);
  CHECK(largest_difference(last, doubled) == 0);
}

TEST_CASE("parameters: gradients that are taken are their holder's, without a copy") {
  const RandomKey key(7, "outer_sum_test");
  const Tensor g = normals({2, 3}, DType::f64, key.at("g"));
  for (const GradientForm form : {GradientForm::whole, GradientForm::outer}) {
    Parameters p, same;
    for (Parameters* one : {&p, &same}) {
      one->add("W", {3, 4}, Init::ones(), true, form);
      one->add("frozen", {3}, Init::ones(), false);
      one->allocate(DType::f64, key);
    }
    Arena arena, other;
    Tape tape(arena), reference(other);
    const Tensor inputs = Tensor::zeros({2, 4}, DType::f64), ones = Tensor::zeros({2}, DType::f64);
    const auto backward = [&](Parameters& of, Tape& on, double x) {
      on.reset();
      inputs.fill(x);
      ones.fill(1);
      const Var y = bilinear(of.on(on, 0), g, inputs);
      on.backward({&y, 1}, {&ones, 1});
    };
    std::vector<Tensor> held;
    for (int step = 1; step <= 6; ++step) {
      backward(p, tape, step);
      backward(same, reference, step);
      const void* lies = p.flat_grads().raw();
      Tensor taken = p.take_grads();
      CHECK(largest_difference(taken, same.all_grads()) == 0);
      CHECK_FALSE(p.has_gradients());
      if (form == GradientForm::whole) {
        CHECK(taken.raw() == lies);
        CHECK(p.flat_grads().raw() != lies);
      }
      if (step % 2) held.push_back(taken);
    }
    for (std::size_t i = 0; i < held.size(); ++i) {
      backward(same, reference, static_cast<double>(2 * i + 1));
      CHECK(largest_difference(held[i], same.all_grads()) == 0);
    }
    // A step of an optimiser wants another pass, and finds its gradients.
    Optimiser sgd(p, UpdateRule::sgd());
    CHECK_THROWS_AS(sgd.step(0.1), UsageError);
    backward(p, tape, 1);
    const Tensor before = p.value(0).clone();
    sgd.step(0.1);
    CHECK(largest_difference(before, p.value(0)) > 0);
  }
}

TEST_CASE("outer_sum: a trainer adds up factored gradients of several passes") {
  const RandomKey key(6, "outer_sum_test");
  const Tensor g = normals({8, 3}, DType::f64, key.at("g")), x = normals({8, 4}, DType::f64, key.at("x"));
  auto train = [&](GradientForm form, std::int64_t micro_batch) {
    Module model;
    const int W = model.parameters().add("W", {3, 4}, Init::normal(1), true, form);
    model.init(key, DType::f64);
    // The gradient of bilinear() is that of a cotangent of ones, whatever comes: a sum over the items of a batch.
    const auto loss = [&](Tape& tape, const Tensor& items) {
      return mean_all(bilinear(model.on(tape, W), gathered(tape, g, items), gathered(tape, x, items)));
    };
    Trainer trainer(model, {.batch = 4, .micro_batch = micro_batch, .epochs = 3}, {.items = 8, .loss = loss});
    trainer.try_step();
    while (!trainer.done()) trainer.run_epoch();
    return model.parameters().value(W).clone();
  };
  const Tensor whole = train(GradientForm::whole, 0);
  for (const std::int64_t micro : {0, 1, 3, 4})
    for (const GradientForm form : {GradientForm::whole, GradientForm::outer})
      CHECK(largest_difference(train(form, micro), whole) < 1e-12);
}
