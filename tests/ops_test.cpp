#include <array>
#include <cmath>
#include <cstring>

#include <doctest/doctest.h>

#include "weft/core/difference.h"
#include "weft/groups/space.h"
#include "weft/nfn/graph/edge_cases.h"
#include "weft/nn/loss_cases.h"
#include "weft/nn/losses.h"
#include "weft/ops/act.h"
#include "weft/ops/cases.h"
#include "weft/ops/contract.h"
#include "weft/ops/family_cases.h"
#include "weft/ops/operators.h"
#include "weft/ops/rows.h"
#include "weft/ops/view.h"
#include "weft/tests/isa_levels.h"
#include "weft/tests/op_runner.h"
#include "weft/tests/with_threads.h"

using namespace weft;
using namespace weft::testing;

namespace {

void run(const std::vector<OpCase>& cases) {
  CHECK(!cases.empty());
  for (const std::string& wrong : failures(cases, 13, check_all)) FAIL_CHECK(wrong);
}

}  // namespace

TEST_CASE("pointwise: value, vjp, equivariance, refusals") { run(pointwise_cases()); }
TEST_CASE("rows: value, vjp, equivariance, refusals") { run(rows_cases()); }
TEST_CASE("contract: value, vjp, equivariance, refusals") { run(contract_cases()); }
TEST_CASE("act: value, vjp") { run(act_cases()); }
TEST_CASE("slice, concat, gather, patches, dropout: value, vjp, refusals") { run(view_cases()); }
TEST_CASE("losses: value, vjp, refusals") { run(loss_cases()); }
TEST_CASE("edges of graph networks: value, vjp, equivariance, refusals") { run(edge_cases()); }

TEST_CASE("self-test: the runner catches a wrong vjp, wrong flags and a wrong type rule") {
  const OpRange range[] = {{-3, 3}};
  auto catches = [](const std::vector<OpCase>& cases) { return !failures(cases, 12, check_all).empty(); };
  const auto by_tanh = [](const Var& x) { return tanh(x); };
  const auto tanh_of = [](double x) { return std::tanh(x); };
  CHECK(!catches(unary_cases("tanh", true, false, range, by_tanh, tanh_of)));
  // exp passed off as odd: its own code refuses sign axes, so the case that demands equivariance there fails.
  CHECK(catches(unary_cases(
      "exp", true, false, range, [](const Var& x) { return exp(x); }, [](double x) { return std::exp(x); })));
  // tanh passed off as neither odd nor homogeneous: a refusal is demanded that does not come.
  CHECK(catches(unary_cases("tanh", false, false, range, by_tanh, tanh_of)));
  // relu passed off as both odd and homogeneous.
  CHECK(catches(unary_cases(
      "relu", true, true, range, [](const Var& x) { return relu(x); }, [](double x) { return std::max(x, 0.0); })));
  // A vjp without its square.
  auto wrong = [](bool typed) {
    return [typed](const Var& x) {
      Tape& tape = x.tape();
      const Tensor y = tape.empty(x.shape(), x.dtype());
      kernel(UnaryOp::Tanh, x.dtype()).forward(x.value().raw(), y.raw(), y.numel(), 0);
      if (typed) require(Action::pointwise_odd, "tanh", x.name(), x.type());
      return tape.record("tanh", y, x.type(), {x}, [](Backward& b) {
        const GradSlot g = b.grad(0);
        with_float(g.tensor.dtype(), "tanh", [&](auto t) {
          using T = decltype(t);
          for (std::int64_t i = 0; i < g.tensor.numel(); ++i)
            g.tensor.data<T>()[i] = (g.beta != 0 ? g.tensor.data<T>()[i] : T(0)) +
                                    b.cotangent().data<T>()[i] * (T(1) - b.output().data<T>()[i]);
        });
      });
    };
  };
  CHECK(catches(unary_cases("tanh", true, false, range, wrong(true), tanh_of)));
  // No type rule at all: positive scaling slips through.
  CHECK(catches(unary_cases("tanh", true, false, range, wrong(false), tanh_of)));
  // An op whose gradient replaces what was there.
  OpCase replaces;
  replaces.name = "replaces";
  replaces.shapes = {{4}};
  replaces.run = [](Tape& tape, std::span<const Var> x) {
    const Tensor y = tape.empty(x[0].shape(), x[0].dtype());
    y.copy_from(x[0].value());
    return tape.record("replaces", y, x[0].type(), {x[0]},
                       [](Backward& b) { b.grad(0).tensor.copy_from(b.cotangent()); });
  };
  replaces.reference = [](std::span<const Tensor> x) {
    return std::vector<double>(x[0].span<double>().begin(), x[0].span<double>().end());
  };
  CHECK(check_value(replaces, RandomKey(1, "r")).empty());
  CHECK(!check_vjp(replaces, RandomKey(1, "r")).empty());
  // An op that keeps its input where the tape does not see it.
  OpCase keeps;
  keeps.name = "keeps";
  keeps.shapes = {{4}};
  keeps.run = [](Tape& tape, std::span<const Var> x) {
    const Tensor y = tape.empty(x[0].shape(), x[0].dtype());
    kernel(UnaryOp::Square, x[0].dtype()).forward(x[0].value().raw(), y.raw(), y.numel(), 0);
    return tape.record("keeps", y, x[0].type(), {x[0]}, [kept = x[0].value()](Backward& b) {
      const GradSlot g = b.grad(0);
      for (std::int64_t i = 0; i < kept.numel(); ++i)
        g.tensor.data<double>()[i] = 2 * kept.data<double>()[i] * b.cotangent().data<double>()[i];
    });
  };
  CHECK(!check_changes(keeps, RandomKey(1, "k")).empty());
  // A refusal that nothing breaks.
  OpCase harmless;
  harmless.name = "harmless";
  harmless.space = "p: permutation(4) P[p]";
  harmless.tensors = {"P"};
  harmless.result = "P";
  harmless.refusal = "[harmless] no";
  harmless.run = [](Tape&, std::span<const Var> x) -> Var {
    if (x[0].type().size() > 0) throw TypeError("[harmless] no");
    return relu(x[0]);
  };
  CHECK(!check_refusal(harmless, RandomKey(1, "h")).empty());
}

TEST_CASE("the parameter of a pointwise operation is one that it takes") {
  Arena arena;
  Tape tape(arena);
  const Var x = tape.leaf(Tensor::from<double>(std::array{-1.0, 2.0}, {2}));
  CHECK_THROWS_WITH_AS(leaky_relu(x, -0.5), "[leaky_relu] parameter -0.5; allowed: above 0, at most 1", UsageError);
  CHECK_THROWS_AS(leaky_relu(x, 0), UsageError);
  CHECK_THROWS_AS(leaky_relu(x, 1.5), UsageError);
  for (double p : {double(NAN), double(INFINITY), -double(INFINITY)}) {
    CHECK_THROWS_AS(leaky_relu(x, p), UsageError);
    CHECK_THROWS_AS(scale(x, p), UsageError);
    CHECK_THROWS_AS(add_scalar(x, p), UsageError);
    CHECK_THROWS_AS(sin(x, p), UsageError);
    CHECK_THROWS_AS(cos(x, p), UsageError);
  }
  CHECK_THROWS_WITH_AS(scale(x, NAN), "[scale] parameter nan; allowed: finite numbers", UsageError);
  CHECK_THROWS_WITH_AS(unary(UnaryOp::Exp, x, 2), "[exp] parameter 2 given; allowed: none", UsageError);
  CHECK(leaky_relu(x, 1).value().span<double>()[0] == -1);
  CHECK(leaky_relu(x).value().span<double>()[0] == -0.01);
  CHECK(scale(x, -3).value().span<double>()[1] == -6);
}
template <class F>
concept takes_parameter = requires(F f, const Var& x) {
  f(x, 0.5);
};
static_assert(takes_parameter<decltype([](const Var& x, auto p) -> decltype(leaky_relu(x, p)) { return {}; })>);
static_assert(!takes_parameter<decltype([](const Var& x, auto p) -> decltype(tanh(x, p)) { return {}; })>);

TEST_CASE("ops that change the kind of an axis") {
  const Space space = Space::parse("m: positive_monomial(4); s: sign_monomial(4); a: monomial(4) M[m] S[s] A[a]");
  Arena arena;
  Tape tape(arena);
  Tensor values = Tensor::zeros({2, 3, 4}, DType::f64);
  fill_normal(values, RandomKey(3, "values"));
  const Var signs = tape.leaf(values, space.type(1), "S");
  CHECK(abs(signs).type()[0].kind() == FactorKind::permutation);
  CHECK_NOTHROW(softmax(abs(signs)));
  const Var both = tape.leaf(values, space.type(2), "A");
  CHECK(abs(both).type()[0].kind() == FactorKind::positive_monomial);
  CHECK_NOTHROW(relu(abs(both)));
  CHECK(l2_normalise(both, 1).type()[0].kind() == FactorKind::sign_monomial);
  CHECK_NOTHROW(tanh(l2_normalise(both, 1)));
  const Var scales = tape.leaf(values, space.type(0), "M");
  const Var normed = l2_normalise(scales, 1);
  CHECK(normed.type()[0].kind() == FactorKind::permutation);
  const Element g = Element::random(space, RandomKey(4, "g"));
  const Var moved = tape.constant(act(g, 0, values), space.type(0), "M");
  // Only the permutation is left of g.
  const Tensor a = l2_normalise(moved, 1).value(), b = normed.value();
  for (std::int64_t r = 0; r < 6; ++r)
    for (std::int64_t i = 0; i < 4; ++i)
      CHECK(a.data<double>()[r * 4 + i] ==
            doctest::Approx(b.data<double>()[r * 4 + g.part(0).order[static_cast<std::size_t>(i)]]));
}

TEST_CASE("powers of a feature: squares double degrees, roots halve those that are even") {
  const Space space = Space::parse("h: positive_monomial(4); s: sign_monomial(4) V[h^-2] W[h] M[h*] S[s] Z[h^0]");
  Arena arena;
  Tape tape(arena);
  Tensor values = Tensor::zeros({2, 3, 4}, DType::f64);
  fill_uniform(values, RandomKey(3, "values"), 0.5, 2);
  const auto leaf = [&](const char* name) { return tape.leaf(values, space.type(space.tensor(name)), name); };
  const Var moment = leaf("V"), gradient = leaf("M");
  CHECK(square(gradient).type() == moment.type());
  CHECK(sqrt(moment).type() == gradient.type());
  CHECK(rsqrt(moment).type() == leaf("W").type());
  CHECK((gradient / sqrt(moment)).type() == leaf("Z").type());  // a step of Adam: a feature that nothing scales
  CHECK((gradient * leaf("W")).type() == leaf("Z").type());
  CHECK(!square(leaf("S")).type()[0].kind()->has_signs());
  const Element g = Element::random(space, RandomKey(4, "g"));
  const auto moved = [&](const char* name) {
    return tape.constant(act(g, space.tensor(name), values), space.type(space.tensor(name)), name);
  };
  const Tensor before = (gradient / sqrt(moment)).value(), after = (moved("M") / sqrt(moved("V"))).value();
  CHECK(relative_error(after, act(g, space.tensor("Z"), before)) < 1e-12);
  CHECK_THROWS_WITH_AS(
      sqrt(leaf("W")),
      "[sqrt] tensor 'W', axis 0 'h' (positive_monomial(4)): sqrt is not homogeneous; use relu or leaky_relu",
      TypeError);
}

TEST_CASE("operators on variables and numbers, clamp") {
  Arena arena;
  Tape tape(arena);
  const Var x = tape.leaf(Tensor::from<double>(std::array{1.0, 2.0, 4.0}, {3})),
            y = tape.leaf(Tensor::from<double>(std::array{4.0, 2.0, 0.5}, {3}));
  const auto is = [](const Var& z, std::vector<double> expected) {
    CHECK(std::vector<double>(z.value().span<double>().begin(), z.value().span<double>().end()) == expected);
  };
  is(x + y, {5, 4, 4.5});
  is(x - y, {-3, 0, 3.5});
  is(x * y, {4, 4, 2});
  is(x / y, {0.25, 1, 8});
  is(-x, {-1, -2, -4});
  is(2 * x + 1, {3, 5, 9});
  is(1 - x / 2, {0.5, 0, -1});
  is(3 + x - 1.5, {2.5, 3.5, 5.5});
  is(maximum(x, y), {4, 2, 4});
  is(minimum(x, y), {1, 2, 0.5});
  is(clamp(x, 1.5, 3), {1.5, 2, 3});
  CHECK_THROWS_WITH_AS(clamp(x, 2, 1), "[clamp] from 2 to 1; allowed: an interval", UsageError);
}

TEST_CASE("results are the same bits on 1, 2 and 4 threads") {
  auto step = [](int n) {
    const WithThreads with(n);
    Arena arena;
    Tape tape(arena);
    Tensor xs = Tensor::zeros({64, 300}, DType::f32), ws = Tensor::zeros({200, 300}, DType::f32);
    fill_normal(xs, RandomKey(1, "x"));
    fill_normal(ws, RandomKey(1, "w"));
    const Var x = tape.leaf(xs), w = tape.leaf(ws);
    const Var y = sum(sum(softmax(layer_norm(tanh(contract("bi,oi->bo", x, w))))));
    const Var z = sum(sum(mul(sin(x), x)));
    const Var both[] = {y, z};
    Tensor one = Tensor::zeros({}, DType::f32);
    one.fill(1);
    const Tensor ones[] = {one, one};
    tape.backward(both, ones);
    std::vector<float> out(tape.grad(x).value().span<float>().begin(), tape.grad(x).value().span<float>().end());
    const auto gw = tape.grad(w).value().span<float>();
    out.insert(out.end(), gw.begin(), gw.end());
    out.push_back(y.value().data<float>()[0]);
    return out;
  };
  const auto one = step(1);
  CHECK(step(2) == one);
  CHECK(step(4) == one);
}

TEST_CASE("pointwise and row operations give the same bits on every instruction set") {
  const std::int64_t rows = 37, columns = 41, n = rows * columns;
  for (const DType dtype : {DType::f32, DType::f64}) {
    const Tensor x = Tensor::zeros({n}, dtype), cotangent = Tensor::zeros({n}, dtype);
    fill_uniform(x, RandomKey(8, "x"), 0.1, 3);
    fill_normal(cotangent, RandomKey(8, "cotangent"));
    // Values, then gradients, of all operations.
    auto results = [&](Isa level) {
      const WithIsa forced(level);
      std::vector<Tensor> out;
      auto next = [&] { return out.emplace_back(Tensor::zeros({n}, dtype)).raw(); };
      for (int op = 0; op < static_cast<int>(UnaryOp::count); ++op) {
        const UnaryKernel& k = kernel(static_cast<UnaryOp>(op), dtype);
        void* y = next();
        k.forward(x.raw(), y, n, 0.7);
        k.vjp(x.raw(), y, cotangent.raw(), next(), false, n, 0.7);
      }
      for (int op = 0; op < static_cast<int>(RowOp::count); ++op)
        for (const RowShape shape : {RowShape{rows, columns, 1}, RowShape{1, rows, columns}}) {
          const RowKernel& k = kernel(static_cast<RowOp>(op), dtype);
          void* y = next();
          k.forward(shape, x.raw(), y);
          k.vjp(shape, x.raw(), y, cotangent.raw(), next(), false);
        }
      return out;
    };
    const std::vector<Tensor> expected = results(Isa::portable);
    for (const Isa level : isa_levels()) {
      const std::vector<Tensor> got = results(level);
      for (std::size_t i = 0; i < got.size(); ++i) {
        INFO(name(level) << " " << name(dtype) << " result " << i);
        CHECK(std::memcmp(got[i].raw(), expected[i].raw(), got[i].bytes()) == 0);
      }
    }
  }
}
