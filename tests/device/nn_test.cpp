// Parameters and optimisers on the device.

#include <limits>

#include "weft/nn/layers.h"
#include "weft/nn/losses.h"
#include "weft/nn/optim.h"
#include "weft/nn/step_recorder.h"
#include "weft/tests/device/device_under_test.h"

using namespace weft;
using namespace weft::testing;

namespace {

/// Parameters of every form: a whole gradient, one that is kept as outer products on the CPU, none.
struct Some {
  Parameters parameters;
  int frozen = parameters.add("frozen", {3}, Init::uniform(2), false);
  int outer = parameters.add("outer", {5, 7}, Init::normal(0.5), true, GradientForm::outer);
  int whole = parameters.add("whole", {33}, Init::normal(1));
  int constant = parameters.add("constant", {2, 2}, Init::constant(0.25));

  explicit Some(DType dtype, Backend* backend = nullptr) { parameters.allocate(dtype, RandomKey(1, "some"), backend); }
};

/// The same gradients for all parameters, wherever they lie.
void give_gradients(Parameters& p, std::uint64_t step) {
  const Tensor g = Tensor::zeros(p.flat_grads().shape(), p.flat_grads().dtype());
  fill_normal(g, RandomKey(2, "gradients").at(step));
  p.flat_grads().copy_from(g);
  p.gradients_given();
}

}  // namespace

TEST_CASE("parameters on the device start with the CPU's bits, in its layout, with whole gradients") {
  for (const DType dtype : {DType::f32, DType::f64}) {
    const Some here(dtype), there(dtype, &device());
    CHECK(there.parameters.backend() == &device());
    for (int i = 0; i < here.parameters.count(); ++i) {
      CHECK(there.parameters.value(i).backend() == &device());
      CHECK(same_bits(there.parameters.value(i).on(nullptr), here.parameters.value(i)));
      CHECK(there.parameters.offset(i) == here.parameters.offset(i));
      const ParameterGradient* gradient = there.parameters.gradient(i);
      CHECK((gradient == nullptr) == (i == there.frozen));
      CHECK((!gradient || !gradient->factored));
    }
    CHECK(same_bits(there.parameters.flat_values().on(nullptr), here.parameters.flat_values()));
    CHECK(there.parameters.grad(there.outer).shape() == Shape{5, 7});
    CHECK(there.parameters.flat_grads().numel() == there.parameters.flat_values().numel());
  }
}

TEST_CASE("an optimiser on the device: the CPU's bits, also from a checkpoint") {
  for (int kind = 0; kind < static_cast<int>(UpdateRule::Kind::count); ++kind)
    for (const DType dtype : {DType::f32, DType::f64}) {
      CAPTURE(kind);
      const UpdateRule rule{.kind = static_cast<UpdateRule::Kind>(kind), .weight_decay = 0.01, .momentum = 0.9};
      // The CPU's parameters have whole gradients too: outer ones come from a tape.
      Parameters here, there;
      for (Parameters* p : {&here, &there}) p->add("w", {133}, Init::normal(1));
      here.allocate(dtype, RandomKey(3, "w"));
      there.allocate(dtype, RandomKey(3, "w"), &device());
      Optimiser on_cpu(here, rule), on_device(there, rule);
      Tensor saved_values, saved_state;
      for (std::uint64_t step = 0; step < 5; ++step) {
        const double rate = 0.1 / static_cast<double>(step + 1);
        give_gradients(here, step);
        give_gradients(there, step);
        on_cpu.step(rate);
        on_device.begin_step(rate);
        on_device.update();
        if (step == 2) saved_values = there.flat_values().on(nullptr), saved_state = on_device.state().on(nullptr);
      }
      on_device.check();
      CHECK(on_device.steps() == 5);
      CHECK(same_bits(there.flat_values().on(nullptr), here.flat_values()));
      CHECK(same_bits(on_device.state().on(nullptr), on_cpu.state()));

      there.flat_values().copy_from(saved_values);
      Optimiser resumed(there, rule);
      resumed.resume(saved_state, 3);
      for (std::uint64_t step = 3; step < 5; ++step) {
        give_gradients(there, step);
        resumed.step(0.1 / static_cast<double>(step + 1));
      }
      CHECK(same_bits(there.flat_values().on(nullptr), here.flat_values()));
    }
}

TEST_CASE("gradients add up over backward passes on the device, also in a recorded step") {
  constexpr std::int64_t batch = 12, piece = 4;
  const Tensor x = normals_of<float>({batch, 5}, 1), t = normals_of<float>({batch, 2}, 2);
  struct Model {
    Module model;
    Parameters& p = model.parameters();
    Mlp mlp{model, "m", {5, 8, 2}};
    Arena arena;
    Tape tape;
    explicit Model(Backend* on) : arena(memory_of(on)), tape(arena) { p.allocate(DType::f32, RandomKey(5, "m"), on); }
    void pass(const Tensor& from, const Tensor& to, Gradients gradients) {
      tape.reset();
      tape.backward(mean_all(squared_error(mlp(tape.constant(from)), to)), gradients);
    }
  };
  Model here(nullptr), there(&device()), recorded(&device()), alone(&device());
  const Tensor x_there = x.on(&device()), t_there = t.on(&device());
  auto accumulate = [&](Model& m, const Tensor& from, const Tensor& to, Gradients first) {
    for (std::int64_t at = 0; at < batch; at += piece)
      m.pass(from.slice(at, at + piece), to.slice(at, at + piece), at == 0 ? first : Gradients::add);
  };
  Optimiser of_here(here.p, UpdateRule::sgd()), of_there(there.p, UpdateRule::sgd()),
      of_recorded(recorded.p, UpdateRule::sgd()), of_alone(alone.p, UpdateRule::sgd());
  StepRecorder whole(&device()), pieces(&device());
  for (int step = 0; step < 5; ++step) {
    accumulate(here, x, t, Gradients::add);
    of_here.step(0.1);
    accumulate(there, x_there, t_there, Gradients::add);
    of_there.step(0.1);
    of_recorded.begin_step(0.1);
    whole.run([&] {
      accumulate(recorded, x_there, t_there, Gradients::replace);
      of_recorded.update();
    });
    // One pass a run: a recording of it could not know which of them begins a sum.
    for (std::int64_t at = 0; at < batch; at += piece)
      pieces.run([&] { alone.pass(x_there.slice(at, at + piece), t_there.slice(at, at + piece), Gradients::add); });
    of_alone.step(0.1);
  }
  CHECK(whole.recorded());
  CHECK(!pieces.recorded());
  CHECK(pieces.refusal().find("Gradients::add in work that is recorded, without a pass before it there") !=
        std::string::npos);
  const Tensor expected = there.p.flat_values().on(nullptr);
  CHECK(distance(expected, here.p.flat_values()) < 1e-5);
  CHECK(same_bits(recorded.p.flat_values().on(nullptr), expected));
  CHECK(same_bits(alone.p.flat_values().on(nullptr), expected));
}

TEST_CASE("a gradient that is not finite is told when the device is asked, until a checkpoint is taken") {
  for (const DType dtype : {DType::f32, DType::f64}) {
    Parameters p;
    p.add("first", {3}, Init::zeros());
    const int second = p.add("second", {2}, Init::zeros());
    p.allocate(dtype, RandomKey(4, "w"), &device());
    const Tensor start = p.flat_values().on(nullptr);
    Optimiser adam(p, UpdateRule::adam());
    p.flat_grads().fill(1);
    p.grad(second).fill(std::numeric_limits<double>::quiet_NaN());
    p.gradients_given();
    adam.step(0.1);
    p.flat_grads().fill(1);
    p.gradients_given();
    adam.step(0.1);
    for (int i = 0; i < 2; ++i)
      CHECK_THROWS_WITH_AS(
          adam.check(),
          "[adam] some step up to 2: the gradient of 'second' holds a NaN or infinity; lower the learning rate",
          NumericError);
    p.flat_values().copy_from(start);
    adam.resume(Tensor::zeros(adam.state().shape(), dtype), 0);
    p.gradients_given();
    adam.step(0.1);
    adam.check();
  }
}
