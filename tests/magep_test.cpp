// MAGEP's fast schedules against their term lists, and against the group.

#include <doctest/doctest.h>

#include "weft/ops/terms.h"
#include "weft/tests/magep_cases.h"

using namespace weft;
using namespace weft::testing;

namespace {

using Case = MagepCase;
const std::vector<Case>& cases = magep_cases;

LayerData data_of(const TermList& list, const Case& c, RandomKey key) {
  return layer_data(list, {c.d, c.e, c.batch}, key);
}

void check_equivariant(const Case& c, bool train_psi, const LayerInput& input, FactorKind kind, RandomKey key) {
  const auto layer = made<MagepEquivariant>(mlp_space(c.widths, kind), c);
  CHECK(check_layer(scheduled(layer, input), reference(layer.list(), c.e, input), layer.list(),
                    data_of(layer.list(), c, key), train_psi, key) == "");
}

void check_invariant(const Case& c, bool train_psi, const LayerInput& input, FactorKind kind, RandomKey key) {
  const auto layer = made<MagepInvariant>(mlp_space(c.widths, kind), c);
  CHECK(check_layer(scheduled(layer, input), reference(layer.list(), c.e, input), layer.list(),
                    data_of(layer.list(), c, key), train_psi, key) == "");
}

}  // namespace

TEST_CASE("magep: E is its term list") {
  for (const Case& c : cases)
    for (const bool train_psi : {true, false}) {
      CAPTURE(text(c));
      CAPTURE(train_psi);
      check_equivariant(c, train_psi, {}, FactorKind::positive_monomial, RandomKey(1, "magep_test"));
    }
}

TEST_CASE("magep: I is its term list") {
  for (const Case& c : cases)
    for (const bool train_psi : {true, false}) {
      CAPTURE(text(c));
      CAPTURE(train_psi);
      check_invariant(c, train_psi, {}, FactorKind::positive_monomial, RandomKey(2, "magep_test"));
    }
}

TEST_CASE("magep: activations and dropout as E and I read their inputs") {
  const Case formed{{2, 6, 7, 4}, 3, 5, 3}, factored{{2, 7, 9, 1}, 5, 4, 3};
  for (const Case& c : {formed, factored}) {
    CAPTURE(text(c));
    for (const double dropout : {0., 0.3}) {
      CAPTURE(dropout);
      const RandomKey key(3, "magep_test dropout");
      for (const UnaryOp op : {UnaryOp::Relu, UnaryOp::LeakyRelu}) {
        check_equivariant(c, false, {op, dropout, key}, FactorKind::positive_monomial, RandomKey(4, "magep_test"));
        check_invariant(c, true, {op, dropout, key}, FactorKind::positive_monomial, RandomKey(4, "magep_test"));
      }
      for (const UnaryOp op : {UnaryOp::Tanh, UnaryOp::Sin}) {
        check_equivariant(c, true, {op, dropout, key}, FactorKind::sign_monomial, RandomKey(5, "magep_test"));
        check_invariant(c, false, {op, dropout, key}, FactorKind::sign_monomial, RandomKey(5, "magep_test"));
      }
      check_equivariant(c, false, {{}, dropout, key}, FactorKind::permutation, RandomKey(6, "magep_test"));
      check_equivariant(c, false, {UnaryOp::Gelu, dropout, key}, FactorKind::permutation, RandomKey(7, "magep_test"));
    }
  }
}

TEST_CASE("magep: every instruction set") {
  for (const Isa level : isa_levels()) {
    const WithIsa forced(level);
    CAPTURE(name(level));
    for (const Case& c : {Case{{2, 6, 7, 4}, 3, 5, 3}, Case{{2, 17, 33, 1}, 17, 18, 2}}) {
      CAPTURE(text(c));
      check_equivariant(c, true, {UnaryOp::Sin, 0.2, RandomKey(8, "magep_test dropout")}, FactorKind::sign_monomial,
                        RandomKey(8, "magep_test"));
      check_invariant(c, true, {UnaryOp::Sin, 0.2, RandomKey(9, "magep_test dropout")}, FactorKind::sign_monomial,
                      RandomKey(9, "magep_test"));
    }
  }
}

TEST_CASE("magep: an empty batch has no outputs and zero gradients") {
  for (const Widths& widths : {Widths{2, 6, 7, 4}, Widths{2, 7, 9, 1}}) {
    const Case c{widths, 3, 2, 0};
    const Space space = mlp_space(c.widths, FactorKind::positive_monomial);
    const auto equivariant = made<MagepEquivariant>(space, c);
    const auto invariant = made<MagepInvariant>(space, c);
    for (const auto& [layer, list] :
         {std::pair{scheduled(equivariant), &equivariant.list()}, std::pair{scheduled(invariant), &invariant.list()}}) {
      const LayerResult r = run_layer(layer, *list, data_of(*list, c, RandomKey(10, "magep_test")).to(DType::f32), true,
                                      RandomKey(10, "magep_test"));
      for (const Tensor& g : r.gradients)
        for (float x : g.span<float>()) CHECK(x == 0.f);
    }
  }
}

TEST_CASE("magep: E commutes with the group and I is invariant; another group breaks them") {
  const ElementRange wide{0.01, 100};
  for (const Case& c : {Case{{2, 6, 7, 4}, 3, 5, 2}, Case{{2, 7, 9, 1}, 5, 4, 2}, Case{{3, 5, 2}, 2, 3, 2}}) {
    CAPTURE(text(c));
    const RandomKey key(11, "magep_test");
    const Space positive = mlp_space(c.widths, FactorKind::positive_monomial),
                signs = mlp_space(c.widths, FactorKind::sign_monomial),
                permutations = mlp_space(c.widths, FactorKind::permutation);
    const auto E = made<MagepEquivariant>(positive, c);
    const auto I = made<MagepInvariant>(positive, c);
    CHECK(group_error(scheduled(E, {UnaryOp::Relu, 0, key}), E.list(), data_of(E.list(), c, key), positive, key, wide) <
          1e-9);
    CHECK(group_error(scheduled(E, {UnaryOp::Relu, 0, key}), E.list(), data_of(E.list(), c, key), permutations, key) <
          1e-9);
    CHECK(group_error(scheduled(I), I.list(), data_of(I.list(), c, key), positive, key, wide) < 1e-9);
    CHECK(group_error(scheduled(E, {UnaryOp::Relu, 0, key}), E.list(), data_of(E.list(), c, key), signs, key) > 1e-4);

    const auto odd = made<MagepEquivariant>(signs, c);
    for (const UnaryOp op : {UnaryOp::Tanh, UnaryOp::Sin}) {
      CHECK(group_error(scheduled(odd, {op, 0, key}), odd.list(), data_of(odd.list(), c, key), signs, key) < 1e-9);
      CHECK(group_error(scheduled(odd, {op, 0, key}), odd.list(), data_of(odd.list(), c, key), positive, key) > 1e-4);
    }
    const auto I_signs = made<MagepInvariant>(signs, c);
    CHECK(group_error(scheduled(I_signs), I_signs.list(), data_of(I_signs.list(), c, key), signs, key) < 1e-9);
    // A layer built for other ends than its network: moving the outputs, which are fixed, is no symmetry.
    std::string moving = positive.str();
    moving.replace(moving.find("out: fixed"), 10, "out: permutation");
    if (c.widths.back() > 1)
      CHECK(group_error(scheduled(I), I.list(), data_of(I.list(), c, key), Space::parse(moving), key) > 1e-4);
  }
}

TEST_CASE("magep: the same bits on any number of threads") {
  for (const Case& c : {Case{{1, 16, 16, 16, 10}, 20, 20, 5}, Case{{2, 17, 33, 1}, 40, 18, 19}}) {
    CAPTURE(text(c));
    const Space space = mlp_space(c.widths, FactorKind::permutation);
    const auto E = made<MagepEquivariant>(space, c);
    const auto I = made<MagepInvariant>(space, c);
    const RandomKey key(12, "magep_test");
    CHECK(check_threads(scheduled(E, {UnaryOp::Sin, 0.1, key}), E.list(), data_of(E.list(), c, key), key) == "");
    CHECK(check_threads(scheduled(I), I.list(), data_of(I.list(), c, key), key) == "");
  }
}

TEST_CASE("magep: the second step takes no new memory") {
  const Case c{{1, 16, 16, 16, 10}, 20, 20, 8};
  const Space space = mlp_space(c.widths, FactorKind::positive_monomial);
  const Module model;
  Parameters& parameters = model.parameters();
  const MagepEquivariant E(model, "E", space, c.d, c.e);
  const MagepInvariant I(model, "I", space, c.e, 7);
  parameters.allocate(DType::f32, RandomKey(13, "magep_test"));
  const LayerData data = data_of(E.list(), c, RandomKey(13, "magep_test")).to(DType::f32);
  const Tensor cotangent = Tensor::zeros({c.batch, 7}, DType::f32);
  cotangent.fill(1);
  Arena arena;
  Tape tape(arena);
  std::size_t reserved = 0, peak = 0;
  const void* address = nullptr;
  for (int step = 0; step < 3; ++step) {
    const Features y = E(Features::leaf(tape, space, data.features), {UnaryOp::Relu});
    const Var out = I(y, {UnaryOp::Relu});
    tape.backward({&out, 1}, {&cotangent, 1});
    if (step > 0) {
      CHECK(arena.reserved() == reserved);
      CHECK(arena.peak() == peak);
      CHECK(out.value().raw() == address);
    }
    reserved = arena.reserved(), peak = arena.peak(), address = out.value().raw();
    tape.reset();
  }
}

TEST_CASE("magep: parameters start as spec 2.5 says") {
  const Case c{{2, 8, 8, 8, 6}, 24, 20, 1};
  const Space space = mlp_space(c.widths, FactorKind::positive_monomial);
  const Module model;
  Parameters& parameters = model.parameters();
  const MagepEquivariant E(model, "E", space, c.d, c.e, false);
  parameters.allocate(DType::f64, RandomKey(14, "magep_test"));
  auto deviation = [&](const std::string& name) {
    double sum = 0;
    const Tensor t = parameters.value(parameters.find("E." + name));
    for (double x : t.span<double>()) sum += x * x;
    return std::sqrt(sum / static_cast<double>(t.numel()));
  };
  const double d = 24, e = 20, n0 = 2, nL = 6, L = 4;
  auto xavier = [](double fan_in, double fan_out) { return std::sqrt(2 / (fan_in + fan_out)); };
  // Sums over the terms added into one output: W1, an inner W and b, W^(L), b^(L).
  const std::pair<std::string, double> expected[] = {
      {"W1.phi2", xavier(3 * d * n0 + d, 4 * e * n0)},
      {"b1.phi1", xavier(3 * d * n0 + d, 4 * e)},
      {"W2.phi3", xavier(3 * d, 3 * e)},
      {"b3.phi2", xavier(3 * d * n0 + 2 * d, 5 * e)},
      {"W4.phi1", xavier(3 * d * nL, 3 * e * nL)},
      {"b4.phi1", xavier(3 * d * nL * n0 + 2 * d * nL + 2 * d * (L - 1), 7 * e * nL)},
      {"b4.phi7", xavier(3 * d * nL * n0 + 2 * d * nL + 2 * d * (L - 1), 7 * e * nL)},
      {"psi.WW.2.1", 1 / (d * n0 * nL)},
      {"psi.bW.2.1", 1 / (d * nL)},
  };
  for (const auto& [named, value] : expected) {
    const std::string name = named;  // clang 14 captures no structured binding
    CAPTURE(name);
    // Five standard deviations of the estimate.
    const auto n = static_cast<double>(parameters.value(parameters.find("E." + name)).numel());
    CHECK(std::abs(deviation(name) / value - 1) < 5 / std::sqrt(2 * n));
    CHECK(parameters.trainable(parameters.find("E." + name)) == !name.starts_with("psi"));
  }
  CHECK(deviation("b4.phi8") == 0);
}

TEST_CASE("magep: refusals") {
  const Case c{{2, 3, 2}, 2, 3, 1};
  const Space space = mlp_space(c.widths, FactorKind::positive_monomial);
  const Module model;
  Parameters& parameters = model.parameters();
  const MagepEquivariant E(model, "E", space, 2, 3);
  const MagepInvariant I(model, "I", space, 2, 3);
  parameters.allocate(DType::f64, RandomKey(15, "magep_test"));
  const LayerData data = data_of(E.list(), c, RandomKey(15, "magep_test"));
  Arena arena;
  Tape tape(arena);
  Vars x;
  for (int i = 0; i < 4; ++i) x.push_back(tape.leaf(data.features[static_cast<std::size_t>(i)], space.type(i)));
  CHECK_THROWS_WITH_AS(E({space, x}, {UnaryOp::Tanh}),
                       "[tanh] tensor 'W1', axis 0 'h1' (positive_monomial(3)): tanh is not homogeneous; use relu or "
                       "leaky_relu",
                       TypeError);
  CHECK_THROWS_WITH_AS(E({space, x}, LayerInput{{}, 1.}), "[magep_equivariant] dropout 1; allowed: 0 <= rate < 1",
                       UsageError);
  CHECK_THROWS_WITH_AS(E({space, x}, {UnaryOp::Abs}),
                       "[magep_equivariant] activation abs changes the type; apply it as an op of its own", UsageError);
  const Space signs = mlp_space(c.widths, FactorKind::sign_monomial);
  x[2] = tape.leaf(data.features[2], signs.type(2));
  CHECK_THROWS_AS(E({space, x}), TypeError);
  CHECK_THROWS_AS(I({space, x}), TypeError);
  CHECK_THROWS_AS(MagepEquivariant(model, "F", Space::parse("h: permutation(2) R[h, h*] b[h]"), 1, 1), UsageError);
}

TEST_CASE("the schedules' cost") {
  // Two E and one I of the CNN predictor: 199.7 MFLOP in all products of a step, written down one by one as it ran.
  const Module model;
  const Space space = mlp_space(Widths{1, 16, 16, 16, 10}, FactorKind::positive_monomial);
  const MagepEquivariant E(model, "E", space, 20, 20);
  const MagepInvariant I(model, "I", space, 20, 20);
  CHECK(3 * (2 * E.flops(8) + I.flops(8)) == doctest::Approx(199.7e6).epsilon(0.03));
  CHECK(E.flops(16) == 2 * E.flops(8));
  // With n_L = 1 the factored way is a quarter cheaper than the list's.
  const Space single = mlp_space(Widths{2, 32, 32, 1}, FactorKind::positive_monomial);
  const MagepEquivariant factored(model, "F", single, 128, 128);
  CHECK(factored.flops(1) < 0.8 * term_flops(factored.list(), 1, 128, 128));
}
