// MAGEP's layers on a device against the CPU's schedules and the term lists.

#include <fmt/format.h>

#include "weft/nfn/magep/equivariant.h"
#include "weft/nfn/magep/invariant.h"
#include "weft/nn/step_recorder.h"
#include "weft/tests/device/device_under_test.h"
#include "weft/tests/layer_checks.h"

using namespace weft;
using namespace weft::testing;

namespace {

using Widths = std::vector<std::int64_t>;

struct Case {
  Widths widths;
  std::int64_t d, e, batch;
};

// L = 2..6; both ways of factoring (n_L <= n_0 + 1 and above); widths of 1 and beyond a tile; teams of blocks and, in
// the last two, of warps; sums over more networks than one block of parts.
const std::vector<Case> cases = {
    {{3, 5, 2}, 2, 3, 5},          {{1, 1, 1}, 1, 1, 1},
    {{2, 6, 7, 4}, 3, 2, 2},       {{1, 4, 5, 6, 3}, 2, 2, 1},
    {{2, 7, 9, 1}, 5, 4, 3},       {{1, 16, 16, 16, 10}, 4, 5, 3},
    {{2, 3, 4, 5, 6, 1}, 2, 3, 2}, {{3, 2, 1, 4, 2, 5, 2}, 2, 2, 2},
    {{2, 37, 33, 1}, 3, 2, 2},     {{4, 1, 3, 9}, 3, 5, 2},
    {{1, 34, 3}, 26, 3, 80},       {{2, 3, 2, 1}, 66, 2, 33},
};

std::string text(const Case& c) {
  return fmt::format("{} d {} e {} batch {}", fmt::join(c.widths, "-"), c.d, c.e, c.batch);
}

Layer scheduled(const MagepEquivariant& layer, const LayerInput& input) {
  return [&layer, input](std::span<const Var> x, std::span<const Var> learned) {
    Vars y(x.size());
    layer(x, learned, y, input);
    return y;
  };
}

Layer scheduled(const MagepInvariant& layer, const LayerInput& input) {
  return
      [&layer, input](std::span<const Var> x, std::span<const Var> learned) { return Vars{layer(x, learned, input)}; };
}

template <class Made>
Made made(const Space& space, const Case& c, bool train_psi = true) {
  Parameters parameters;
  return Made(parameters, "layer", space, c.d, c.e, train_psi);
}

/// On the device as on the CPU and as the list by its interpreter, twice with the same bits.
template <class Made>
void check(const Case& c, bool train_psi, const LayerInput& input, Kind kind, Key key) {
  const auto layer = made<Made>(mlp_space(c.widths, kind), c);
  const Layer fast = scheduled(layer, input), slow = reference(layer.list(), c.e, input);
  const LayerData data = layer_data(layer.list(), {c.d, c.e, c.batch}, key);
  for (const auto& [dtype, tolerance] : {std::pair{DType::f64, 1e-10}, std::pair{DType::f32, 1e-4}}) {
    const LayerData typed = data.to(dtype);
    const auto run = [&](const Layer& f, Backend* backend) {
      return run_layer(f, layer.list(), typed, train_psi, key, backend);
    };
    const LayerResult got = run(fast, &device()), again = run(fast, &device()), cpu = run(fast, nullptr),
                      list = run(slow, nullptr);
    CHECK(difference(got.values, cpu.values) <= tolerance);
    CHECK(difference(got.gradients, cpu.gradients) <= tolerance);
    CHECK(difference(got.values, list.values) <= tolerance);
    CHECK(difference(got.gradients, list.gradients) <= tolerance);
    for (std::size_t i = 0; i < got.values.size(); ++i) CHECK(same_bits(got.values[i], again.values[i]));
    for (std::size_t i = 0; i < got.gradients.size(); ++i) CHECK(same_bits(got.gradients[i], again.gradients[i]));
  }
}

}  // namespace

TEST_CASE("E on the device is the CPU's and its term list") {
  for (const Case& c : cases)
    for (const bool train_psi : {true, false}) {
      CAPTURE(text(c));
      CAPTURE(train_psi);
      check<MagepEquivariant>(c, train_psi, {}, Kind::positive_monomial, Key(1, "magep device"));
    }
}

TEST_CASE("I on the device is the CPU's and its term list") {
  for (const Case& c : cases)
    for (const bool train_psi : {true, false}) {
      CAPTURE(text(c));
      CAPTURE(train_psi);
      check<MagepInvariant>(c, train_psi, {}, Kind::positive_monomial, Key(2, "magep device"));
    }
}

TEST_CASE("activations and dropout as E and I read their inputs on the device") {
  for (const Case& c : {Case{{2, 6, 7, 4}, 3, 5, 3}, Case{{2, 7, 9, 1}, 5, 4, 3}}) {
    CAPTURE(text(c));
    for (const double dropout : {0., 0.3}) {
      CAPTURE(dropout);
      const Key key(3, "magep device dropout");
      for (const auto& [op, kind] :
           {std::pair{UnaryOp::Relu, Kind::positive_monomial}, std::pair{UnaryOp::LeakyRelu, Kind::positive_monomial},
            std::pair{UnaryOp::Tanh, Kind::sign_monomial}, std::pair{UnaryOp::Sin, Kind::sign_monomial},
            std::pair{UnaryOp::Gelu, Kind::permutation}}) {
        check<MagepEquivariant>(c, false, {op, dropout, key}, kind, Key(4, "magep device"));
        check<MagepInvariant>(c, true, {op, dropout, key}, kind, Key(5, "magep device"));
      }
      check<MagepEquivariant>(c, true, {{}, dropout, key}, Kind::permutation, Key(6, "magep device"));
    }
  }
}

TEST_CASE("every activation is the op's, on the device") {
  const Case c{{1, 3, 1}, 2, 2, 2};
  for (int op = 0; op < static_cast<int>(UnaryOp::count); ++op) {
    const auto activation = static_cast<UnaryOp>(op);
    if (activation == UnaryOp::Abs || activation == UnaryOp::Log) continue;  // refused; undefined for these inputs
    CAPTURE(traits(activation).name);
    check<MagepInvariant>(c, true, {activation, 0, Key(7, "magep device")}, Kind::permutation, Key(7, "magep device"));
  }
}

TEST_CASE("an empty batch has zero gradients on the device") {
  for (const Widths& widths : {Widths{2, 6, 7, 4}, Widths{2, 7, 9, 1}}) {
    const Case c{widths, 3, 2, 0};
    const Space space = mlp_space(c.widths, Kind::positive_monomial);
    const auto E = made<MagepEquivariant>(space, c);
    const auto I = made<MagepInvariant>(space, c);
    for (const auto& [layer, list] : {std::pair{scheduled(E, {}), &E.list()}, std::pair{scheduled(I, {}), &I.list()}}) {
      const LayerData data = layer_data(*list, {c.d, c.e, c.batch}, Key(8, "magep device")).to(DType::f32);
      const LayerResult r = run_layer(layer, *list, data, true, Key(8, "magep device"), &device());
      for (const Tensor& g : r.gradients)
        for (float x : g.span<float>()) CHECK(x == 0.f);
    }
  }
}

namespace {

/// E, then I, on features that change in place, with gradients of all that is learned.
struct Step {
  static constexpr std::int64_t d = 3, e = 4, out = 2, batch = 3;
  Space space = mlp_space(Widths{1, 6, 5, 4}, Kind::positive_monomial);
  Parameters none;
  MagepEquivariant E{none, "E", space, d, e};
  MagepInvariant I{none, "I", space, e, out};
  Arena arena{device().memory()};
  Tape tape{arena};
  std::vector<Tensor> features, learned, gradients;
  Tensor y = Tensor::zeros({batch, out}, DType::f32, &device());
  Tensor counter = Tensor::zeros({sizeof(std::uint64_t)}, DType::u8, &device());

  Step() {
    const LayerData of_E = layer_data(E.list(), {d, e, batch}, Key(9, "magep device")).to(DType::f32),
                    of_I = layer_data(I.list(), {e, out, batch}, Key(10, "magep device")).to(DType::f32);
    for (const Tensor& t : of_E.features) features.push_back(t.on(&device()));
    for (const auto* all : {&of_E.learned, &of_I.learned})
      for (const Tensor& t : *all) {
        learned.push_back(t.on(&device()));
        gradients.push_back(Tensor::zeros(t.shape(), DType::f32, &device()));
      }
  }
  Key counted() const {
    return Key(11, "magep device dropout").counted(static_cast<const std::uint64_t*>(counter.raw()));
  }
  void change(std::uint64_t step) {
    for (std::size_t i = 0; i < features.size(); ++i)
      features[i].copy_from(normals_of<float>(features[i].shape(), 100 * step + i));
    learned[3].copy_from(normals_of<float>(learned[3].shape(), step));
    device().upload(counter.raw(), &step, sizeof step);
  }
  void work(const LayerInput& input) {
    tape.reset();
    const std::size_t of_E = E.list().parameters().size();
    Vars x, p, h(features.size());
    for (std::size_t i = 0; i < features.size(); ++i)
      x.push_back(tape.constant(features[i], space.type(static_cast<int>(i))));
    for (std::size_t i = 0; i < learned.size(); ++i)
      p.push_back(tape.parameter(learned[i], gradients[i], nullptr, Type::plain(learned[i].rank()), "p"));
    E(x, std::span(p).first(of_E), h, input);
    const Var last = I(h, std::span(p).subspan(of_E), {UnaryOp::Relu});
    y.copy_from(last.value());
    const Tensor ones = tape.empty({batch, out}, DType::f32);
    ones.fill(1);
    tape.backward({&last, 1}, {&ones, 1});
  }
};

}  // namespace

TEST_CASE("a recorded step of E and I is the launched one, at addresses that stay") {
  for (const double dropout : {0., 0.4}) {
    CAPTURE(dropout);
    Step launched, recorded;
    StepRecorder recorder(&device());
    std::size_t reserved = 0;
    for (std::uint64_t step = 1; step <= 4; ++step) {
      launched.change(step);
      recorded.change(step);
      launched.work({UnaryOp::Relu, dropout, launched.counted()});
      recorder.run([&] { recorded.work({UnaryOp::Relu, dropout, recorded.counted()}); });
      CHECK(recorder.refusal() == "");
      CHECK(recorder.recorded() == (step > 1));
      CHECK(same_bits(recorded.y.on(nullptr), launched.y.on(nullptr)));
      for (std::size_t i = 0; i < launched.gradients.size(); ++i)
        CHECK(same_bits(recorded.gradients[i].on(nullptr), launched.gradients[i].on(nullptr)));
      CHECK((step == 1 || launched.arena.reserved() == reserved));
      reserved = launched.arena.reserved();
    }
  }
}

TEST_CASE("a replay draws dropout anew; with a key that could not, a step is not recorded") {
  Step step;
  StepRecorder recorder(&device());
  std::vector<Tensor> drawn;
  for (std::uint64_t number = 1; number <= 4; ++number) {
    device().upload(step.counter.raw(), &number, sizeof number);
    recorder.run([&] { step.work({UnaryOp::Relu, 0.4, step.counted()}); });
    drawn.push_back(step.y.on(nullptr));
    for (std::size_t i = 0; i + 1 < drawn.size(); ++i) CHECK(!same_bits(drawn[i], drawn.back()));
  }
  recorder.forget();
  for (int i = 0; i < 2; ++i) recorder.run([&] { step.work({UnaryOp::Relu, 0.4, Key(12, "magep device")}); });
  CHECK(!recorder.recorded());
  CHECK(recorder.refusal() ==
        "[record] random numbers of a key without a counter in work that is recorded; allowed: launches, on memory "
        "that was there before");
}
