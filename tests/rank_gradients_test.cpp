// Gradients that ranks add up: those of one process that sees the whole mini-batch, with the same bits on all ranks.

#include "weft/nn/rank_gradients.h"

#include <cstring>

#include <doctest/doctest.h>

#include "weft/core/difference.h"
#include "weft/nn/optim.h"
#include "weft/ops/contract.h"
#include "weft/ops/pointwise.h"
#include "weft/tests/rank_threads.h"

using namespace weft;
using namespace weft::testing;

namespace {

struct Model {
  Parameters p;
  int W, b;

  Model(DType dtype, GradientForm form) {
    W = p.add("W", {9, 30}, Init::normal(0.3), true, form);
    b = p.add("b", {9}, Init::normal(0.3));
    p.add("frozen", {4}, Init::ones(), false);
    p.allocate(dtype, RandomKey(3, "rank_gradients_test"));
  }
};

/// y[b] = Σ_oi g[b, o] W[o, i] x[b, i] + (b)_0…, whose gradient by W is given as outer products where it is kept so.
void backward(Model& m, Tape& tape, const Tensor& g, const Tensor& x, Gradients gradients) {
  const Var W = m.p.on(tape, m.W), bias = m.p.on(tape, m.b);
  const std::int64_t n = x.dim(0);
  const Tensor ones = Tensor::zeros({n}, x.dtype());
  ones.fill(1);
  const Var with_bias = contract("bo,o->b", tape.constant(g), bias);
  Var y = with_bias;
  if (m.p.gradient(m.W)->factored) {
    auto* sum = new (tape.arena().allocate(sizeof(OuterSum)))
        OuterSum{g.dtype(), 1, 1, 9, 30, n, {g.raw(), 9, 0, 0}, {x.raw(), 30, 0, 0}};
    const Tensor zeros = tape.empty({n}, x.dtype());
    zeros.fill(0);
    y = add(y, tape.record("bilinear", zeros, Type::plain(1), {W}, [sum](Backward& back) { back.add_outer(0, *sum); }));
  } else {
    y = add(y, contract("bo,bo->b", tape.constant(g), contract("oi,bi->bo", W, tape.constant(x))));
  }
  tape.backward({&y, 1}, {&ones, 1}, gradients);
}

struct Result {
  Tensor grads, values;
  std::size_t bytes = 0;
};

/// Gradients, and values after a step, of each rank; `passes`: in how many each rank's share comes.
std::vector<Result> train(int size, DType dtype, GradientForm form, std::int64_t items, std::int64_t passes) {
  const RandomKey key(8, "rank_gradients_test");
  const Tensor g = Tensor::zeros({items, 9}, dtype), x = Tensor::zeros({items, 30}, dtype);
  fill_normal(g, key.at("g"));
  fill_normal(x, key.at("x"));
  std::vector<Result> all(static_cast<std::size_t>(size));
  run_ranks(size, [&](Ranks& job) {
    Model m(dtype, form);
    Optimiser optimiser(m.p, UpdateRule::sgd());
    RankGradients ranks(m.p, job, passes > 1);
    Arena arena;
    Tape tape(arena);
    Result& result = all[static_cast<std::size_t>(job.rank())];
    for (int step = 0; step < 2; ++step) {
      const std::int64_t first = items * job.rank() / size, end = items * (job.rank() + 1) / size;
      const std::int64_t pass = (end - first + passes - 1) / passes;
      for (std::int64_t at = first; at < end; at += pass) {
        tape.reset();
        backward(m, tape, g.slice(at, std::min(end, at + pass)), x.slice(at, std::min(end, at + pass)),
                 passes > 1 ? Gradients::add : Gradients::replace);
      }
      ranks.add_up();
      result = {m.p.all_grads().clone(), {}, ranks.message_bytes()};
      optimiser.step(0.01);
      tape.reset();
    }
    result.values = m.p.flat_values().clone();
  });
  return all;
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;
}

}  // namespace

TEST_CASE("rank gradients: those of one process, the same bits on all ranks and every time") {
  for (const DType dtype : {DType::f32, DType::f64})
    for (const GradientForm form : {GradientForm::whole, GradientForm::outer})
      for (const std::int64_t passes : {1, 2}) {
        const Result one = train(1, dtype, form, 12, 1).front();
        for (const int size : {2, 3, 4, 5, 7}) {
          CAPTURE(size);
          CAPTURE(passes);
          const std::vector<Result> all = train(size, dtype, form, 12, passes);
          CHECK(largest_difference(all[0].grads, one.grads) < (dtype == DType::f32 ? 2e-5 : 1e-13));
          for (const Result& rank : all) {
            CHECK(same_bits(rank.grads, all[0].grads));
            CHECK(same_bits(rank.values, all[0].values));
          }
          CHECK(same_bits(train(size, dtype, form, 12, passes)[0].values, all[0].values));
        }
        CHECK(same_bits(train(1, dtype, form, 12, 1).front().values, one.values));
      }
}

TEST_CASE("rank gradients: factors travel where they are fewer numbers") {
  // The bias with its padding, and all of W.
  const std::size_t numbers = (16 + 270) * sizeof(float);
  CHECK(train(2, DType::f32, GradientForm::outer, 4, 1)[0].bytes < numbers);  // 4 x (9 + 30) of 270
  CHECK(train(2, DType::f32, GradientForm::outer, 12, 1)[0].bytes == numbers);
  CHECK(train(2, DType::f32, GradientForm::outer, 4, 2)[0].bytes == numbers);
}
