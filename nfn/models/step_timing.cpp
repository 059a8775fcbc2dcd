#include "weft/nfn/models/step_timing.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <functional>
#include <memory>

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include "weft/core/parallel.h"
#include "weft/nfn/models/cnn_predictor.h"
#include "weft/nfn/models/inr_classifier.h"
#include "weft/nn/losses.h"

namespace weft {
namespace {

using Clock = std::chrono::steady_clock;

/// Adam over the flat buffers.
class Adam {
 public:
  explicit Adam(const Parameters& p)
      : parameters_(p),
        first_(Tensor::zeros(p.flat_values().shape(), DType::f32)),
        second_(Tensor::zeros(p.flat_values().shape(), DType::f32)) {}

  void step(float rate) {
    ++steps_;
    const float beta1 = 0.9f, beta2 = 0.999f, epsilon = 1e-8f;
    const float correct1 = 1 / (1 - std::pow(beta1, static_cast<float>(steps_))),
                correct2 = 1 / (1 - std::pow(beta2, static_cast<float>(steps_)));
    float *p = parameters_.flat_values().data<float>(), *m = first_.data<float>(), *v = second_.data<float>();
    const float* g = parameters_.flat_grads().data<float>();
    parallel_blocks(first_.numel(), 16384, [=](std::int64_t begin, std::int64_t end) {
#pragma omp simd
      for (std::int64_t i = begin; i < end; ++i) {
        m[i] = beta1 * m[i] + (1 - beta1) * g[i];
        v[i] = beta2 * v[i] + (1 - beta2) * g[i] * g[i];
        p[i] -= rate * correct1 * m[i] / (std::sqrt(v[i] * correct2) + epsilon);
      }
    });
  }

 private:
  const Parameters& parameters_;
  Tensor first_, second_;
  int steps_ = 0;
};

double resident_mib() {
  std::ifstream file("/proc/self/statm");
  double total = 0, resident = 0;
  file >> total >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 20);
}

double peak_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

/// A model with its batch: records one step and returns the loss.
struct Case {
  Parameters parameters;
  std::function<Var(Tape&, std::uint64_t step)> loss;
};

std::vector<Tensor> network_batch(const Space& space, std::int64_t batch, Key key) {
  std::vector<Tensor> all;
  for (int i = 0; i < static_cast<int>(space.tensors().size()); ++i) {
    all.push_back(Tensor::zeros(space.feature_shape(i, batch, 1), DType::f32));
    fill_normal(all.back(), key.at(static_cast<std::uint64_t>(i)));
  }
  return all;
}

void on_tape(Tape& tape, const Space& space, const std::vector<Tensor>& values, std::span<Var> x) {
  for (std::size_t i = 0; i < values.size(); ++i) x[i] = tape.constant(values[i], space.type(static_cast<int>(i)));
}

std::unique_ptr<Case> cnn(Key key) {
  auto c = std::make_unique<Case>();
  auto model = std::make_shared<CnnPredictor>(c->parameters, CnnPredictor::Config{});
  const std::int64_t batch = 8;
  const auto x = network_batch(model->input(), batch, key.at("networks"));
  const Tensor target = Tensor::zeros({batch, 1}, DType::f32);
  fill_uniform(target, key.at("targets"));
  c->loss = [parameters = &c->parameters, model, x, target](Tape& tape, std::uint64_t) {
    std::array<Var, 8> inputs;
    on_tape(tape, model->input(), x, inputs);
    return mean_all(binary_cross_entropy((*model)(*parameters, inputs), target));
  };
  return c;
}

std::unique_ptr<Case> inr(Key key) {
  auto c = std::make_unique<Case>();
  auto model = std::make_shared<InrClassifier>(c->parameters, InrClassifier::Config{});
  const std::int64_t batch = 32;
  const auto x = network_batch(model->space(), batch, key.at("networks"));
  const Tensor label = Tensor::zeros({batch}, DType::i32);
  for (std::int64_t i = 0; i < batch; ++i)
    label.data<std::int32_t>()[i] =
        static_cast<std::int32_t>(uniform_index(key.at("labels"), static_cast<std::uint64_t>(i), 10));
  c->loss = [parameters = &c->parameters, model, x, label, key](Tape& tape, std::uint64_t step) {
    std::array<Var, 6> inputs;
    on_tape(tape, model->space(), x, inputs);
    return mean_all(cross_entropy((*model)(*parameters, inputs, key.at("dropout").at(step)), label));
  };
  return c;
}

}  // namespace

StepTiming time_step(std::string_view name, double seconds) {
  const double before = resident_mib();
  const Key key(0, "step_timing");
  if (name != "cnn" && name != "inr") throw UsageError("[bench] step '{}'; allowed: cnn, inr", name);
  const auto c = name == "cnn" ? cnn(key) : inr(key);
  c->parameters.allocate(DType::f32, key.at("parameters"));
  StepTiming result;
  result.name = name;
  for (int i = 0; i < c->parameters.count(); ++i) result.parameters += c->parameters.value(i).numel();
  Adam adam(c->parameters);
  Arena arena;
  Tape tape(arena);
  std::uint64_t steps = 0;
  auto step = [&] {
    tape.backward(c->loss(tape, steps++));
    adam.step(1e-4f);
    c->parameters.changed();
    tape.reset();
  };
  for (int i = 0; i < 3; ++i) step();
  std::vector<double> times;
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  while (Clock::now() < end) {
    const auto start = Clock::now();
    step();
    times.push_back(std::chrono::duration<double>(Clock::now() - start).count());
  }
  std::sort(times.begin(), times.end());
  result.min_s = times.front();
  result.median_s = times[times.size() / 2];
  result.peak_mib = peak_mib() - before;
  return result;
}

std::string str(const StepTiming& t) {
  return fmt::format("{} weft parameters={} min_ms={:.2f} median_ms={:.2f} peak_mib={:.0f}", t.name, t.parameters,
                     1e3 * t.min_s, 1e3 * t.median_s, t.peak_mib);
}

}  // namespace weft
