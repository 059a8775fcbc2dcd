// MAGEP's layers on a device against the CPU's schedules and the term lists.

#include <algorithm>

#include "weft/tests/device/layers_on_device.h"
#include "weft/tests/magep_cases.h"

using namespace weft;
using namespace weft::testing;

namespace {

using Case = MagepCase;
const std::vector<Case>& cases = magep_cases;

template <class Made>
void check(const Case& c, bool train_psi, const LayerInput& input, FactorKind kind, RandomKey key) {
  const auto layer = made<Made>(mlp_space(c.widths, kind), c);
  check_on_device(scheduled(layer, input), reference(layer.list(), c.e, input), layer.list(),
                  layer_data(layer.list(), {c.d, c.e, c.batch}, key), train_psi, key);
}

}  // namespace

TEST_CASE("E on the device is the CPU's and its term list") {
  for (const Case& c : cases)
    for (const bool train_psi : {true, false}) {
      CAPTURE(text(c));
      CAPTURE(train_psi);
      check<MagepEquivariant>(c, train_psi, {}, FactorKind::positive_monomial, RandomKey(1, "magep device"));
    }
}

TEST_CASE("I on the device is the CPU's and its term list") {
  for (const Case& c : cases)
    for (const bool train_psi : {true, false}) {
      CAPTURE(text(c));
      CAPTURE(train_psi);
      check<MagepInvariant>(c, train_psi, {}, FactorKind::positive_monomial, RandomKey(2, "magep device"));
    }
}

TEST_CASE("activations and dropout as E and I read their inputs on the device") {
  for (const Case& c : {Case{{2, 6, 7, 4}, 3, 5, 3}, Case{{2, 7, 9, 1}, 5, 4, 3}}) {
    CAPTURE(text(c));
    for (const double dropout : {0., 0.3}) {
      CAPTURE(dropout);
      const RandomKey key(3, "magep device dropout");
      for (const auto& [op, kind] :
           {std::pair{UnaryOp::Relu, FactorKind::positive_monomial},
            std::pair{UnaryOp::LeakyRelu, FactorKind::positive_monomial},
            std::pair{UnaryOp::Tanh, FactorKind::sign_monomial}, std::pair{UnaryOp::Sin, FactorKind::sign_monomial},
            std::pair{UnaryOp::Gelu, FactorKind::permutation}}) {
        check<MagepEquivariant>(c, false, {op, dropout, key}, kind, RandomKey(4, "magep device"));
        check<MagepInvariant>(c, true, {op, dropout, key}, kind, RandomKey(5, "magep device"));
      }
      check<MagepEquivariant>(c, true, {{}, dropout, key}, FactorKind::permutation, RandomKey(6, "magep device"));
    }
  }
}

TEST_CASE("every activation is the op's, on the device") {
  const Case c{{1, 3, 1}, 2, 2, 2};
  for (int op = 0; op < static_cast<int>(UnaryOp::count); ++op) {
    const auto activation = static_cast<UnaryOp>(op);
    // Refused, or undefined for these inputs.
    constexpr UnaryOp left_out[] = {UnaryOp::Abs, UnaryOp::Log, UnaryOp::Rsqrt, UnaryOp::Sqrt};
    if (std::ranges::find(left_out, activation) != std::end(left_out)) continue;
    CAPTURE(traits(activation).name);
    check<MagepInvariant>(c, true, {activation, 0, RandomKey(7, "magep device")}, FactorKind::permutation,
                          RandomKey(7, "magep device"));
  }
}

TEST_CASE("an empty batch has zero gradients on the device") {
  for (const Widths& widths : {Widths{2, 6, 7, 4}, Widths{2, 7, 9, 1}}) {
    const Case c{widths, 3, 2, 0};
    const Space space = mlp_space(c.widths, FactorKind::positive_monomial);
    const auto E = made<MagepEquivariant>(space, c);
    const auto I = made<MagepInvariant>(space, c);
    for (const auto& [layer, list] : {std::pair{scheduled(E, {}), &E.list()}, std::pair{scheduled(I, {}), &I.list()}}) {
      const LayerData data = layer_data(*list, {c.d, c.e, c.batch}, RandomKey(8, "magep device")).to(DType::f32);
      const LayerResult r = run_layer(layer, *list, data, true, RandomKey(8, "magep device"), &device());
      for (const Tensor& g : r.gradients)
        for (float x : g.span<float>()) CHECK(x == 0.f);
    }
  }
}

namespace {

const Space recorded_space = mlp_space(Widths{1, 6, 5, 4}, FactorKind::positive_monomial);

}  // namespace

TEST_CASE("a recorded step of E and I is the launched one, at addresses that stay") {
  for (const double dropout : {0., 0.4}) {
    CAPTURE(dropout);
    check_recorded<MagepEquivariant, MagepInvariant>(recorded_space, dropout, RandomKey(9, "magep device"));
  }
}

TEST_CASE("a replay draws dropout anew; with a key that could not, a step is not recorded") {
  LayerStep<MagepEquivariant, MagepInvariant> step(recorded_space, RandomKey(10, "magep device"));
  StepRecorder recorder(&device());
  std::vector<Tensor> drawn;
  for (std::uint64_t number = 1; number <= 4; ++number) {
    device().upload(step.counter.raw(), &number, sizeof number);
    recorder.run([&] { step.work({UnaryOp::Relu, 0.4, step.counted()}); });
    drawn.push_back(step.y.on(nullptr));
    for (std::size_t i = 0; i + 1 < drawn.size(); ++i) CHECK(!same_bits(drawn[i], drawn.back()));
  }
  recorder.forget();
  for (int i = 0; i < 2; ++i) recorder.run([&] { step.work({UnaryOp::Relu, 0.4, RandomKey(12, "magep device")}); });
  CHECK(!recorder.recorded());
  CHECK(recorder.refusal() ==
        "[record] random numbers of a key without a counter in work that is recorded; allowed: launches, on memory "
        "that was there before");
}
