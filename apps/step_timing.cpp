#include "weft/apps/step_timing.h"

#include <algorithm>
#include <fstream>
#include <functional>
#include <memory>
#include <string>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include "weft/core/clock.h"
#include "weft/nfn/models/inr_classifier.h"
#include "weft/nfn/models/magep_model.h"
#include "weft/nn/losses.h"
#include "weft/nn/optim.h"
#include "weft/nn/step_recorder.h"
#include "weft/tasks/task.h"

namespace weft::apps {
namespace {

double resident_mib() {
  std::ifstream file("/proc/self/statm");
  double total = 0, resident = 0;
  file >> total >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 20);
}

/// Of this program: getrusage's maximum begins with that of the program that started it.
double peak_mib() {
  std::ifstream file("/proc/self/status");
  std::string word;
  double kib = 0;
  while (file >> word)
    if (word == "VmHWM:") file >> kib;
  return kib / 1024;
}

/// A model with its batch.
struct Case {
  Module model;  ///< with memory
  std::function<Var(Tape&)> loss;
  Tensor step;  ///< the 8 bytes of the step's number, which dropout draws with: where the model lies
};

Tensor step_number(Backend* backend) { return Tensor::zeros({sizeof(std::uint64_t)}, DType::u8, backend); }

/// On the CPU.
std::vector<Tensor> network_batch(const Space& space, std::int64_t batch, double deviation, RandomKey key) {
  std::vector<Tensor> all;
  for (int i = 0; i < static_cast<int>(space.tensors().size()); ++i) {
    all.push_back(Tensor::zeros(space.feature_shape(i, batch, 1), DType::f32));
    fill_normal(all.back(), key.at(static_cast<std::uint64_t>(i)), 0, deviation);
  }
  return all;
}

/// A reader that learns accuracies of random networks.
Case accuracy(const char* kind, Settings::Given given, const Space& space, std::int64_t batch, double deviation,
              RandomKey key, Backend* backend) {
  const std::shared_ptr<Reader> model = make_reader(kind, given, space, DType::f32, key, backend);
  auto networks = model->prepare(network_batch(space, batch, deviation, key.at("networks")));
  for (Tensor& t : networks) t = t.placed_on(backend);
  const Tensor target = Tensor::zeros({batch}, DType::f32, backend);
  fill_uniform(target, key.at("targets"));
  const auto loss = [model, networks, target, &learnt = task("accuracy")](Tape& tape) {
    return mean_all(learnt.loss(model->forward(tape, networks), target));
  };
  return {*model, loss, step_number(backend)};
}

Case cnn(RandomKey key, Backend* backend) {
  constexpr std::int64_t widths[] = {1, 16, 16, 16, 10}, batch = 8;
  constexpr std::array<std::int64_t, 2> taps[] = {{3, 3}, {3, 3}, {3, 3}, {1, 1}};
  const Space space = cnn_space(widths, taps, FactorKind::positive_monomial);
  return accuracy("magep", {}, space, batch, 1, key, backend);
}

Case transformer(std::int64_t layers, RandomKey key, Backend* backend) {
  const Space space = transformer_network_space({32, 64, 2, 16, 16, 2}, {16, 32, 10});
  return accuracy("transformer-nfn", {{"equivariant_layers", layers}}, space, 16, 0.1, key, backend);
}

Case inr(RandomKey key, Backend* backend) {
  const auto model = std::make_shared<InrClassifier>(InrClassifier::Config{});
  model->init(key.at("parameters"), DType::f32, backend);
  const std::int64_t batch = 32;
  auto networks = network_batch(model->space(), batch, 1, key.at("networks"));
  for (Tensor& t : networks) t = t.placed_on(backend);
  const Tensor label = Tensor::zeros({batch}, DType::i32);
  for (std::int64_t i = 0; i < batch; ++i)
    label.data<std::int32_t>()[i] =
        static_cast<std::int32_t>(uniform_index(key.at("labels"), static_cast<std::uint64_t>(i), 10));
  const Tensor step = step_number(backend);
  const RandomKey dropout = key.at("dropout").counted(static_cast<const std::uint64_t*>(step.raw()));
  const auto loss = [model, networks, label = label.placed_on(backend), dropout](Tape& tape) {
    return mean_all(cross_entropy((*model)(Features::constant(tape, model->space(), networks), dropout), label));
  };
  return {*model, loss, step};
}

}  // namespace

StepTiming time_step(std::string_view name, double seconds, Backend* backend) {
  const double before = resident_mib();
  const RandomKey key(0, "step_timing");
  constexpr std::string_view names[] = {"cnn", "inr", "transformer1", "transformer2"};
  if (std::ranges::find(names, name) == std::end(names))
    throw UsageError("[bench] step '{}'; allowed: {}", name, fmt::join(names, ", "));
  const Case c = name == "cnn"   ? cnn(key, backend)
                 : name == "inr" ? inr(key, backend)
                                 : transformer(name.back() - '0', key, backend);
  const Parameters& p = c.model.parameters();
  StepTiming result;
  result.name = name;
  for (int i = 0; i < p.count(); ++i) result.parameters += p.value(i).numel();
  Optimiser adam(c.model.parameters(), UpdateRule::adam());
  Arena arena(memory_of(backend));
  Tape tape(arena);
  StepRecorder recorder(backend);
  std::uint64_t steps = 0;
  const std::function<void()> work = [&] {
    tape.reset();
    tape.backward(c.loss(tape));
    adam.update();
  };
  auto step = [&] {
    adam.begin_step(1e-4);
    c.step.copy_from(Tensor::view_of(&steps, c.step.shape(), DType::u8));
    ++steps;
    recorder.run(work);
    if (backend) backend->synchronise();
  };
  for (int i = 0; i < 3; ++i) step();
  std::vector<double> times;
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  while (Clock::now() < end) {
    const auto start = Clock::now();
    step();
    times.push_back(seconds_since(start));
  }
  std::sort(times.begin(), times.end());
  result.min_s = times.front();
  result.median_s = times[times.size() / 2];
  result.fallbacks = c.model.fallbacks();
  if (!recorder.refusal().empty())
    result.fallbacks.push_back(fmt::format("steps are launched one by one: {}", recorder.refusal()));
  if (backend) {
    adam.check();
    std::size_t bytes = p.flat_grads().bytes() + adam.state().bytes() + arena.peak();
    for (int i = 0; i < p.count(); ++i) bytes += p.value(i).bytes();
    result.peak_mib = static_cast<double>(bytes) / (1 << 20);
  } else {
    result.peak_mib = peak_mib() - before;
  }
  return result;
}

std::string str(const StepTiming& t) {
  return fmt::format("{} weft parameters={} min_ms={:.2f} median_ms={:.2f} peak_mib={:.0f}", t.name, t.parameters,
                     1e3 * t.min_s, 1e3 * t.median_s, t.peak_mib);
}

}  // namespace weft::apps
