// Transformer-NFN's fast schedules against their term lists, and against the group.

#include <doctest/doctest.h>

#include "weft/autograd/gradcheck.h"
#include "weft/tests/transformer_cases.h"

using namespace weft;
using namespace weft::testing;

namespace {

using Case = BlockCase;
const std::vector<Case>& cases = block_cases;

LayerData data_of(const TermList& list, const Case& c, RandomKey key) {
  return layer_data(list, {c.d, c.e, c.batch}, key);
}

template <class Made>
void check(const Case& c, const LayerInput& input, RandomKey key) {
  const auto layer = made<Made>(c);
  CHECK(check_layer(scheduled(layer, input), listed(layer.list(), c.e, input), layer.list(),
                    data_of(layer.list(), c, key), true, key) == "");
}

}  // namespace

TEST_CASE("transformer: E and I are their term lists") {
  for (const Case& c : cases) {
    CAPTURE(text(c));
    check<TransformerEquivariant>(c, {}, RandomKey(1, "transformer_test"));
    check<TransformerInvariant>(c, {}, RandomKey(2, "transformer_test"));
  }
}

TEST_CASE("transformer: activations as E and I read the MLP's tensors") {
  for (const Case& c : {cases[0], cases[1], cases[5]}) {
    CAPTURE(text(c));
    for (const UnaryOp op : {UnaryOp::Relu, UnaryOp::Tanh, UnaryOp::Gelu}) {
      check<TransformerEquivariant>(c, {op}, RandomKey(3, "transformer_test"));
      check<TransformerInvariant>(c, {op}, RandomKey(4, "transformer_test"));
    }
  }
}

TEST_CASE("transformer: every instruction set") {
  for (const Isa level : isa_levels()) {
    const WithIsa forced(level);
    CAPTURE(name(level));
    for (const Case& c : {cases[1], cases[7]}) {
      CAPTURE(text(c));
      check<TransformerEquivariant>(c, {UnaryOp::Relu}, RandomKey(5, "transformer_test"));
      check<TransformerInvariant>(c, {UnaryOp::Relu}, RandomKey(6, "transformer_test"));
    }
  }
}

TEST_CASE("transformer: an empty batch has no outputs and zero gradients") {
  const Case c{{4, 6, 2, 2, 3}, 3, 2, 0};
  const auto equivariant = made<TransformerEquivariant>(c);
  const auto invariant = made<TransformerInvariant>(c);
  for (const auto& [layer, list] :
       {std::pair{scheduled(equivariant), &equivariant.list()}, std::pair{scheduled(invariant), &invariant.list()}}) {
    const RandomKey key(7, "transformer_test");
    const LayerResult r = run_layer(layer, *list, data_of(*list, c, key).to(DType::f32), true, key);
    for (const Tensor& g : r.gradients)
      for (float x : g.span<float>()) CHECK(x == 0.f);
  }
}

TEST_CASE("transformer: finite differences") {
  const Case c{{3, 4, 2, 2, 1}, 2, 2, 2};
  const RandomKey key(8, "transformer_test");
  auto check_one = [&](const auto& layer, const LayerInput& input) {
    const TermList& list = layer.list();
    const LayerData data = data_of(list, c, key);
    std::vector<GradcheckInput> inputs;
    for (std::size_t i = 0; i < data.features.size(); ++i)
      inputs.push_back({data.features[i], list.in().type(static_cast<int>(i))});
    for (const Tensor& t : data.learned) inputs.push_back({t, Type::plain(t.rank())});
    const Layer run = scheduled(layer, input);
    const GradcheckReport report = gradcheck(
        [&](Tape&, std::span<const Var> x) {
          return run(x.first(data.features.size()), x.subspan(data.features.size()));
        },
        inputs, key);
    CHECK(report.direction_error < 1e-7);
  };
  check_one(made<TransformerEquivariant>(c), {UnaryOp::Tanh});
  check_one(made<TransformerInvariant>(c), {UnaryOp::Tanh});
}

TEST_CASE("transformer: E is equivariant and I invariant under the whole group") {
  for (const Case& c : {cases[0], cases[1], Case{{16, 24, 2, 8, 8}, 2, 3, 3}}) {
    CAPTURE(text(c));
    const auto E = made<TransformerEquivariant>(c);
    const auto I = made<TransformerInvariant>(c);
    const RandomKey key(9, "transformer_test");
    // A block's input axis m is fixed: moving it is no symmetry.
    std::string moving = E.list().in().str();
    moving.replace(moving.find("m: fixed"), 8, "m: permutation");
    const Space other = Space::parse(moving);
    const LayerData to_E = data_of(E.list(), c, key), to_I = data_of(I.list(), c, key);
    CHECK(group_error(scheduled(E, {UnaryOp::Relu}), E.list(), to_E, E.list().in(), key) < 1e-9);
    CHECK(group_error(scheduled(I, {UnaryOp::Relu}), I.list(), to_I, I.list().in(), key) < 1e-9);
    CHECK(group_error(scheduled(E), E.list(), to_E, other, key) > 1e-4);
    CHECK(group_error(scheduled(I), I.list(), to_I, other, key) > 1e-4);
  }
}

TEST_CASE("transformer: the same bits on any number of threads") {
  for (const Case& c : {Case{{16, 24, 2, 8, 8}, 10, 10, 17}, Case{{32, 64, 2, 16, 16}, 1, 7, 5}}) {
    CAPTURE(text(c));
    const auto E = made<TransformerEquivariant>(c);
    const auto I = made<TransformerInvariant>(c);
    const RandomKey key(10, "transformer_test");
    CHECK(check_threads(scheduled(E, {UnaryOp::Relu}), E.list(), data_of(E.list(), c, key), key) == "");
    CHECK(check_threads(scheduled(I), I.list(), data_of(I.list(), c, key), key) == "");
  }
}

TEST_CASE("transformer: the second step takes no new memory") {
  const Case c{{16, 24, 2, 8, 8}, 1, 6, 8};
  const Space space = transformer_space(c.block, false);
  const Module model;
  Parameters& parameters = model.parameters();
  const TransformerEquivariant E(model, "E", space, c.d, c.e);
  const TransformerInvariant I(model, "I", space, c.e, 7);
  parameters.allocate(DType::f32, RandomKey(11, "transformer_test"));
  const LayerData data = data_of(E.list(), c, RandomKey(11, "transformer_test")).to(DType::f32);
  const Tensor cotangent = Tensor::zeros({c.batch, 7}, DType::f32);
  cotangent.fill(1);
  Arena arena;
  Tape tape(arena);
  std::size_t reserved = 0, peak = 0;
  const void* address = nullptr;
  for (int step = 0; step < 3; ++step) {
    const Features y = E(Features::leaf(tape, space, data.features));
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

TEST_CASE("transformer: parameters start as spec 3.4 says") {
  const double D = 8, A = 12, h = 3, Dk = 4, Dv = 5, d = 6, e = 50;
  const Space space = transformer_space({8, 12, 3, 4, 5}, false);
  const Module model;
  Parameters& parameters = model.parameters();
  const TransformerEquivariant E(model, "E", space, 6, 50);
  const TransformerInvariant I(model, "I", space, 6, 50);
  parameters.allocate(DType::f64, RandomKey(12, "transformer_test"));
  auto xavier = [](double fan_in, double fan_out) { return std::sqrt(2 / (fan_in + fan_out)); };
  auto square = [](double x) { return x * x; };
  const double quadratic = d * h * D * D;  // of [QK] or Σ_q [VO], all summed
  const std::pair<std::string, double> expected[] = {
      {"E.WQ.phi1", xavier(d * Dk, h * D)},
      {"E.WV.phi1", xavier(d * Dv, h * D)},
      {"E.WO.phi1", xavier(d * D + d, h * Dv + h * Dv * D)},
      {"E.WA.phi1", square(xavier(2 * quadratic + d * h * D, 1 + 1 + D))},
      {"E.WA.phi3", square(xavier(2 * quadratic + d * h * D, 1 + 1 + D))},
      {"E.WA.phi7",
       square(xavier(d * (D * A + A + D + 1) + d * (A * D + D) + d * A, (1 + D + A + D * A) + (1 + A) + 1))},
      {"E.WA.phi11", xavier(d + d * D, A + 1 + e)},
      {"E.WA.phi13", xavier(d + d * D, A + 1 + e)},
      {"E.bA.phi2", square(xavier(2 * quadratic, 2))},
      {"E.bA.phi6", square(xavier(d * (D * A + D) + d * (A * D + D) + d * A, (1 + A) + (1 + A) + 1))},
      {"E.bA.phi8", xavier(d + d * D, A + 1 + e)},
      {"E.WB.phi1", square(xavier(2 * quadratic, 2))},
      {"E.WB.phi5", square(xavier(d * (D * A + D) + d * (A * D + D) + d * A, (1 + A) + (1 + A) + 1))},
      {"E.WB.phi9", xavier(d + d * D, A + 1 + e * D)},
      {"E.bB.phi4", square(xavier(d * D * A + d * A * D + d * A, 3))},
      {"E.bB.phi7", xavier(d * D, 1 + e * D)},
      {"I.phi1", square(xavier(2 * quadratic, 2))},
      {"I.phi4", square(xavier(2 * d * D * A, 2))},
      {"I.phi6", xavier(d * A + d * D, 2 + e)},
  };
  for (const auto& [named, value] : expected) {
    const std::string name = named;  // clang 14 captures no structured binding
    CAPTURE(name);
    const Tensor t = parameters.value(parameters.find(name));
    double sum = 0;
    for (double x : t.span<double>()) sum += x * x;
    const auto n = static_cast<double>(t.numel());
    // Five standard deviations of the estimate.
    CHECK(std::abs(std::sqrt(sum / n) / value - 1) < 5 / std::sqrt(2 * n));
  }
}

TEST_CASE("transformer: refusals") {
  const Case c{{4, 6, 2, 2, 3}, 2, 3, 1};
  const Space space = transformer_space(c.block, false);
  const Module model;
  Parameters& parameters = model.parameters();
  const TransformerEquivariant E(model, "E", space, 2, 3);
  const TransformerInvariant I(model, "I", space, 2, 3);
  parameters.allocate(DType::f64, RandomKey(13, "transformer_test"));
  const LayerData data = data_of(E.list(), c, RandomKey(13, "transformer_test"));
  Arena arena;
  Tape tape(arena);
  Vars x;
  for (int i = 0; i < 8; ++i) x.push_back(tape.leaf(data.features[static_cast<std::size_t>(i)], space.type(i)));
  CHECK_THROWS_WITH_AS(E({space, x}, {UnaryOp::Abs}),
                       "[transformer_equivariant] activation abs changes the type; apply it as an op of its own",
                       UsageError);
  CHECK_THROWS_WITH_AS(I({space, x}, {UnaryOp::Relu, 0.5}), "[transformer_invariant] dropout 0.5; allowed: 0",
                       UsageError);
  const Space other = mlp_space(std::vector<std::int64_t>{6, 4, 1}, FactorKind::permutation);
  x[4] = tape.leaf(data.features[4], other.type(0));
  CHECK_THROWS_AS(E({space, x}), TypeError);
  CHECK_THROWS_AS(I({space, x}), TypeError);
  const Space residual = transformer_space(c.block, true);
  CHECK_THROWS_WITH_AS(TransformerEquivariant(model, "F", residual, 1, 1),
                       ("[transformer_equivariant] space '" + residual.str() +
                        "'; allowed: one transformer block without residual stream, as transformer_space()")
                           .c_str(),
                       UsageError);
}
