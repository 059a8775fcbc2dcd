// Recorded work against the same work launched.

#include "weft/nn/optim.h"
#include "weft/nn/step_recorder.h"
#include "weft/ops/pointwise.h"
#include "weft/ops/product.h"
#include "weft/ops/rows.h"
#include "weft/tests/device/device_under_test.h"

using namespace weft;
using namespace weft::testing;

namespace {

/// Trains p on mean(log_softmax(tanh(p x))) by Adam, and forms the product of its gradient with x beside.
template <class T>
struct Training {
  static constexpr std::int64_t rows = 7, columns = 40, n = rows * columns;

  Backend& backend = device();
  Arena arena{backend.memory()};
  Tape tape{arena};
  Tensor p = zeros({rows, columns}), g = zeros({rows, columns}), m = zeros({n}), s = zeros({n}),
         x = zeros({rows, columns}), loss = zeros({rows}), beside = zeros({rows, rows}),
         constants = Tensor::zeros({static_cast<std::int64_t>(DeviceUpdate<T>::constants_bytes)}, DType::u8, &backend),
         spoiled = Tensor::zeros({1}, DType::i32, &backend);
  std::int64_t steps = 0;
  int worked = 0;

  Training() { p.copy_from(normals_of<T>({rows, columns}, 1)); }

  Tensor zeros(const Shape& shape) const { return Tensor::zeros(shape, dtype_of<T>, &backend); }
  static const DeviceUpdate<T>& update(Backend& backend) {
    const auto& table = backend.table<DeviceUpdateKernels>("update");
    constexpr int kind = static_cast<int>(UpdateRule::Kind::adam);
    if constexpr (sizeof(T) == 4)
      return table.of_float[kind];
    else
      return table.of_double[kind];
  }

  /// What differs from step to step, written in place.
  void prepare() {
    ++steps;
    x.copy_from(normals_of<T>({rows, columns}, 10 + static_cast<std::uint64_t>(steps)));
    std::byte of_step[DeviceUpdate<T>::constants_bytes] = {};
    update(backend).constants(UpdateRule::adam(), 0.1 / static_cast<double>(steps), steps, of_step);
    backend.upload(constants.raw(), of_step, sizeof of_step);
  }
  void work() {
    ++worked;
    tape.reset();
    const Var trained = tape.parameter(p, std::make_shared<ParameterGradient>(g), Type::plain(2), "p");
    const Var y = mean(log_softmax(tanh(mul(trained, tape.constant(x)))));
    loss.copy_from(y.value());
    const Tensor ones = tape.empty({rows}, dtype_of<T>);
    ones.fill(1);
    tape.backward({&y, 1}, {&ones, 1});
    product<T>(arena, {1, rows, rows, columns}, {g.address<T>(), 0, columns, 1}, {x.address<T>(), 0, 1, columns}, 0,
               beside.address<T>(), 0, rows);
    update(backend).run(constants.raw(), n, p.address<T>(), g.address<T>(), m.address<T>(), s.address<T>(),
                        spoiled.address<std::int32_t>());
  }
  std::vector<Tensor> state() const {
    return {p.on(nullptr), g.on(nullptr), m.on(nullptr), s.on(nullptr), loss.on(nullptr), beside.on(nullptr)};
  }
};

template <class T>
void check_steps() {
  Training<T> launched, recorded;
  StepRecorder recorder(&device());
  std::vector<Tensor> before = recorded.state();
  for (int step = 1; step <= 5; ++step) {
    launched.prepare();
    launched.work();
    recorded.prepare();
    recorder.run([&] { recorded.work(); });
    const std::vector<Tensor> expected = launched.state(), got = recorded.state();
    for (std::size_t i = 0; i < got.size(); ++i) {
      CHECK(same_bits(got[i], expected[i]));
      CHECK(!same_bits(got[i], before[i]));
    }
    before = got;
    CHECK(recorder.recorded() == (step > 1));
  }
  CHECK(recorder.refusal() == "");
  CHECK(recorded.worked == 2);
  recorder.forget();
  recorded.prepare();
  recorder.run([&] { recorded.work(); });
  CHECK((!recorder.recorded() && recorded.worked == 3));
}

/// A doubling of x that is launched before or after `also`.
struct Doubling {
  Backend& backend = device();
  Tensor x = Tensor::zeros({5}, DType::f32, &backend);

  Doubling() { x.fill(1); }
  void launch() const { kernel(UnaryOp::Scale, DType::f32, &backend).forward(x.raw(), x.raw(), x.numel(), 2); }
  float value() const { return x.on(nullptr).data<float>()[4]; }
};

}  // namespace

TEST_CASE("recorded steps are the launched ones, with inputs, parameters and constants changed in place") {
  check_steps<float>();
  check_steps<double>();
}

TEST_CASE("what is recorded does not run, and runs as often as it is replayed") {
  const Doubling twice;
  const auto recording = twice.backend.record([&] { twice.launch(); });
  CHECK(twice.value() == 1);
  recording->replay();
  recording->replay();
  CHECK(twice.value() == 4);
  twice.x.fill(5);
  recording->replay();
  CHECK(twice.value() == 10);
  twice.backend.record([] {})->replay();
}

TEST_CASE("what no recording can hold is refused, and the device goes on") {
  const Doubling twice;
  Arena arena(twice.backend.memory());
  float there = 0;  // goes to and from x's first number; value() reads another one
  const auto asked = [&](const char* what) {
    const std::string text = what;
    if (text == "an upload") twice.backend.upload(twice.x.raw(), &there, sizeof there);
    if (text == "a download") twice.backend.download(&there, twice.x.raw(), sizeof there);
    if (text == "waiting") twice.backend.synchronise();
    if (text == "new memory") arena.allocate(std::size_t{100} << 20);
    if (text == "another recording") twice.backend.record([] {});
    if (text == "random numbers of a key without a counter") fill_uniform(twice.x, RandomKey(1, "graph"));
  };
  float expected = 1;
  for (const char* what : {"an upload", "a download", "waiting", "new memory", "another recording",
                           "random numbers of a key without a counter"}) {
    CAPTURE(what);
    const std::string message = std::string("[record] ") + what +
                                " in work that is recorded; allowed: launches, on memory that was there before";
    const auto work = [&] {
      twice.launch();
      asked(what);
    };
    CHECK_THROWS_WITH_AS(twice.backend.record(work), message.c_str(), DeviceError);
    CHECK(!twice.backend.recording());
    CHECK(twice.value() == expected);

    // A step recorder launches it instead, tries once only, and tells why.
    if (std::string(what) == "random numbers of a key without a counter") continue;  // which would change x
    StepRecorder recorder(&twice.backend);
    const bool memory = std::string(what) == "new memory";  // there after the first step
    for (int step = 0; step < 3; ++step) {
      recorder.run(work);
      expected *= 2;
      CHECK(twice.value() == expected);
      CHECK(recorder.refusal() == (step > 0 && !memory ? message : ""));
      if (memory) arena.reset();
    }
  }
}

TEST_CASE("an error of the work itself is passed on, and the next recording holds") {
  const Doubling twice;
  CHECK_THROWS_WITH_AS(twice.backend.record([&] {
    twice.launch();
    throw ShapeError("[graph_test] no shape");
  }),
                       "[graph_test] no shape", ShapeError);
  CHECK(twice.value() == 1);
  StepRecorder recorder(&twice.backend);
  int calls = 0;
  const auto work = [&] {
    twice.launch();
    if (++calls == 2) throw NumericError("[graph_test] the second call");
  };
  recorder.run(work);
  CHECK_THROWS_AS(recorder.run(work), NumericError);
  CHECK(twice.value() == 2);
  recorder.run(work);
  recorder.run(work);
  CHECK((recorder.recorded() && calls == 3 && twice.value() == 8));
}

TEST_CASE("on the CPU every step runs as written") {
  StepRecorder recorder(nullptr);
  int calls = 0;
  for (int step = 0; step < 4; ++step) recorder.run([&] { ++calls; });
  CHECK((calls == 4 && !recorder.recorded() && recorder.refusal().empty()));
}
