#pragma once
// A schedule on the device against the CPU's and against its term list, and recorded in a step.

#include "weft/nn/step_recorder.h"
#include "weft/tests/device/device_under_test.h"
#include "weft/tests/layer_checks.h"

namespace weft::testing {

/// Values and all gradients on the device as on the CPU and as the list by its interpreter, twice with the same bits.
inline void check_on_device(const Layer& fast, const Layer& slow, const TermList& list, const LayerData& data,
                            bool train_psi, RandomKey key) {
  for (const auto& [dtype, tolerance] : {std::pair{DType::f64, 1e-12}, std::pair{DType::f32, 2e-5}}) {
    const LayerData typed = data.to(dtype);
    const auto run = [&](const Layer& f, Backend* backend) {
      return run_layer(f, list, typed, train_psi, key, backend);
    };
    const LayerResult got = run(fast, &device()), again = run(fast, &device()), cpu = run(fast, nullptr),
                      reference = run(slow, nullptr);
    for (const LayerResult& expected : {cpu, reference}) {
      CHECK(relative_error(got.values, expected.values) <= tolerance);
      CHECK(relative_error(got.gradients, expected.gradients) <= tolerance);
      // Small channels beside large ones keep fewer digits, as on the CPU.
      CHECK(channel_error(got.values, expected.values, got.values.size()) <= 10 * tolerance);
      CHECK(channel_error(got.gradients, expected.gradients, data.features.size()) <= 10 * tolerance);
    }
    for (std::size_t i = 0; i < got.values.size(); ++i) CHECK(same_bits(got.values[i], again.values[i]));
    for (std::size_t i = 0; i < got.gradients.size(); ++i) CHECK(same_bits(got.gradients[i], again.gradients[i]));
  }
}

/// A step of E, d -> e channels, then I, on features that change in place, with gradients of all that is learned.
template <class E, class I>
struct LayerStep {
  static constexpr std::int64_t d = 3, e = 4, out = 2, batch = 3;
  Space space;
  RandomKey key;
  Module none;
  E equivariant{none, "E", space, d, e};
  I invariant{none, "I", space, e, out};
  Arena arena{device().memory()};
  Tape tape{arena};
  std::vector<Tensor> features, learned, gradients;
  Tensor y = Tensor::zeros({batch, out}, DType::f32, &device());
  Tensor counter = Tensor::zeros({sizeof(std::uint64_t)}, DType::u8, &device());

  LayerStep(const Space& of, RandomKey with) : space(of), key(with) {
    const LayerData of_E = layer_data(equivariant.list(), {d, e, batch}, key.at("E")).to(DType::f32),
                    of_I = layer_data(invariant.list(), {e, out, batch}, key.at("I")).to(DType::f32);
    for (const Tensor& t : of_E.features) features.push_back(t.on(&device()));
    for (const auto* all : {&of_E.learned, &of_I.learned})
      for (const Tensor& t : *all) {
        learned.push_back(t.on(&device()));
        gradients.push_back(Tensor::zeros(t.shape(), DType::f32, &device()));
      }
  }
  /// Of dropout, counted by the steps.
  RandomKey counted() const { return key.at("dropout").counted(static_cast<const std::uint64_t*>(counter.raw())); }
  void change(std::uint64_t step) {
    for (std::size_t i = 0; i < features.size(); ++i)
      features[i].copy_from(normals_of<float>(features[i].shape(), 100 * step + i));
    learned[3].copy_from(normals_of<float>(learned[3].shape(), step));
    device().upload(counter.raw(), &step, sizeof step);
  }
  void work(const LayerInput& input) {
    tape.reset();
    const std::size_t of_E = equivariant.list().parameters().size();
    Vars p;
    for (std::size_t i = 0; i < learned.size(); ++i)
      p.push_back(tape.parameter(learned[i], std::make_shared<ParameterGradient>(gradients[i]),
                                 Type::plain(learned[i].rank()), "p"));
    const Features h = equivariant.apply(Features::constant(tape, space, features), std::span(p).first(of_E), input);
    const Var last = invariant.apply(h, std::span(p).subspan(of_E), {UnaryOp::Relu});
    y.copy_from(last.value());
    const Tensor ones = tape.empty({batch, out}, DType::f32);
    ones.fill(1);
    tape.backward({&last, 1}, {&ones, 1});
  }
};

/// Replayed steps are the launched ones, bit by bit, and take no memory after the first one.
template <class E, class I>
void check_recorded(const Space& space, double dropout, RandomKey key) {
  LayerStep<E, I> launched(space, key), recorded(space, key);
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

}  // namespace weft::testing
