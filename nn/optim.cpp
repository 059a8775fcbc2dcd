#include "weft/nn/optim.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <type_traits>

#include "weft/core/backend.h"
#include "weft/core/isa.h"
#include "weft/core/parallel.h"

namespace weft {

WEFT_ISA_TABLE(UpdateKernels, update_kernels)

const char* name(UpdateRule::Kind kind) {
  static constexpr const char* names[] = {
#define WEFT_NAME(kind, Body) Body<float>::name,
      WEFT_UPDATE_RULES(WEFT_NAME)
#undef WEFT_NAME
  };
  return names[static_cast<int>(kind)];
}

int states(UpdateRule::Kind kind) {
  static constexpr int counts[] = {
#define WEFT_STATES(kind, Body) Body<float>::states,
      WEFT_UPDATE_RULES(WEFT_STATES)
#undef WEFT_STATES
  };
  return counts[static_cast<int>(kind)];
}

void require_valid(const UpdateRule& rule) {
  auto require = [&](const char* constant, double value, bool fits, const char* allowed) {
    if (!fits) throw UsageError("[{}] {} {}; allowed: {}", name(rule.kind), constant, value, allowed);
  };
  auto require_share = [&](const char* constant, double value) {
    require(constant, value, value >= 0 && value < 1, "0 or more, below 1");
  };
  require("weight_decay", rule.weight_decay, rule.weight_decay >= 0 && std::isfinite(rule.weight_decay), "0 or more");
  require_share("momentum", rule.momentum);
  require_share("beta1", rule.beta1);
  require_share("beta2", rule.beta2);
  require_share("alpha", rule.alpha);
  // Were it 0, also as a float, a parameter without gradient would become 0 / 0.
  require("epsilon", rule.epsilon, rule.epsilon >= 1e-30 && std::isfinite(rule.epsilon), "1e-30 or more");
}

template <class T>
bool update_range(const UpdateRule& rule, double learning_rate, std::int64_t step, std::int64_t n, T* values,
                  const T* grads, T* first, T* second) {
  const UpdateKernels& kernels = WEFT_FOR_ISA(update_kernels);
  const int kind = static_cast<int>(rule.kind);
  if constexpr (std::is_same_v<T, float>)
    return kernels.of_float[kind](rule, learning_rate, step, n, values, grads, first, second);
  else
    return kernels.of_double[kind](rule, learning_rate, step, n, values, grads, first, second);
}

template bool update_range(const UpdateRule&, double, std::int64_t, std::int64_t, float*, const float*, float*, float*);
template bool update_range(const UpdateRule&, double, std::int64_t, std::int64_t, double*, const double*, double*,
                           double*);

namespace {

bool finite(const Tensor& t) {
  const Tensor here = t.placed_on(nullptr);
  return with_float(t.dtype(), "optimiser", [&](auto tag) {
    for (auto x : here.span<decltype(tag)>())
      if (!std::isfinite(x)) return false;
    return true;
  });
}

template <class T>
const DeviceUpdate<T>& device_update(Backend& backend, UpdateRule::Kind kind) {
  const auto& kernels = backend.table<DeviceUpdateKernels>(name(kind));
  if constexpr (std::is_same_v<T, float>)
    return kernels.of_float[static_cast<int>(kind)];
  else
    return kernels.of_double[static_cast<int>(kind)];
}

}  // namespace

Optimiser::Optimiser(Parameters& parameters, const UpdateRule& rule) : parameters_(parameters), rule_(rule) {
  require_valid(rule);
  const Tensor values = parameters.flat_values();
  if (!values.defined()) throw UsageError("[{}] the parameters have no memory yet; allocate() them", name(rule.kind));
  Backend* backend = parameters.backend();
  state_ = Tensor::zeros({weft::states(rule.kind), values.numel()}, values.dtype(), backend);
  if (!backend) return;
  device_constants_ = Tensor::zeros({DeviceUpdate<float>::constants_bytes}, DType::u8, backend);
  device_spoiled_ = Tensor::zeros({1}, DType::i32, backend);
}

void Optimiser::step(double learning_rate) {
  begin_step(learning_rate);
  update();
}

void Optimiser::begin_step(double learning_rate) {
  if (!(learning_rate >= 0) || !std::isfinite(learning_rate))
    throw UsageError("[{}] learning rate {}; allowed: 0 or more", name(rule_.kind), learning_rate);
  learning_rate_ = learning_rate;
  ++steps_;
  if (Backend* backend = parameters_.backend())
    with_float(state_.dtype(), name(rule_.kind), [&](auto tag) {
      using T = decltype(tag);
      alignas(16) std::byte constants[DeviceUpdate<T>::constants_bytes] = {};
      device_update<T>(*backend, rule_.kind).constants(rule_, learning_rate, steps_, constants);
      backend->upload(device_constants_.raw(), constants, sizeof constants);
    });
}

void Optimiser::require_gradients() const {
  if (!parameters_.has_gradients())
    throw UsageError("[{}] no backward pass since the last step; call backward() before each step, which uses it up",
                     name(rule_.kind));
  for (int i = 0; i < parameters_.count(); ++i) {
    const ParameterGradient* g = parameters_.gradient(i);
    if (!g || g->fresh()) continue;
    if (!g->available())
      throw UsageError(
          "[{}] parameter '{}' has no gradient now; allowed: a step after backward(), before the tape's reset()",
          name(rule_.kind), parameters_.name(i));
    throw UsageError(
        "[{}] parameter '{}' was not on the tape of the last backward pass; put it there (its gradient is zeros then), "
        "or declare it as not trainable",
        name(rule_.kind), parameters_.name(i));
  }
}

void Optimiser::update() {
  try {
    require_gradients();
  } catch (const UsageError&) {
    --steps_;  // which begin_step() counted
    throw;
  }
  parameters_.used_gradients();
  if (Backend* backend = parameters_.backend())
    update_on(*backend);
  else
    update_here();
}

void Optimiser::update_on(Backend& backend) {
  with_float(state_.dtype(), name(rule_.kind), [&](auto tag) {
    using T = decltype(tag);
    auto state = [&](int i) { return i < weft::states(rule_.kind) ? state_[i].address<T>() : nullptr; };
    const Tensor values = parameters_.flat_values();
    device_update<T>(backend, rule_.kind)
        .run(device_constants_.raw(), values.numel(), values.address<T>(), parameters_.flat_grads().address<T>(),
             state(0), state(1), device_spoiled_.address<std::int32_t>());
  });
  parameters_.changed();
}

void Optimiser::update_here() {
  const Tensor values = parameters_.flat_values(), grads = parameters_.flat_grads();
  std::atomic<bool> all_finite = true;
  with_float(values.dtype(), name(rule_.kind), [&](auto tag) {
    using T = decltype(tag);
    T* p = values.data<T>();
    const T* g = grads.data<T>();
    auto state = [&](int i) { return i < weft::states(rule_.kind) ? state_[i].data<T>() : nullptr; };
    T *m = state(0), *v = state(1);
    auto update = [&](std::int64_t begin, std::int64_t end, const T* gradient) {
      if (!update_range(rule_, learning_rate_, steps_, end - begin, p + begin, gradient, m ? m + begin : nullptr,
                        v ? v + begin : nullptr))
        all_finite.store(false, std::memory_order_relaxed);
    };
    // Blocks of whole cache lines, of all parameters in one loop.
    stretches_.clear();
    auto cut = [&](const ParameterGradient* factored, std::int64_t at, std::int64_t n, std::int64_t grain) {
      for (std::int64_t begin = 0; begin < n; begin += grain)
        stretches_.push_back({factored, at, begin, std::min(begin + grain, n)});
    };
    cut(nullptr, 0, grads.numel(), outer_block);
    for (int i = 0; i < parameters_.count(); ++i)
      if (const ParameterGradient* of = parameters_.gradient(i); of && of->factored)
        cut(of, parameters_.offset(i), parameters_.value(i).numel(),
            of->factors.sums ? outer_grain(*of->factors.sums) : outer_block);
    parallel_blocks(static_cast<std::int64_t>(stretches_.size()), 1, [&](std::int64_t number, std::int64_t) {
      const Stretch& piece = stretches_[static_cast<std::size_t>(number)];
      if (!piece.factored) return update(piece.begin, piece.end, g + piece.begin);
      const std::int64_t begin = piece.at + piece.begin, end = piece.at + piece.end;
      if (piece.factored->formed) return update(begin, end, piece.factored->whole.data<T>() + piece.begin);
      alignas(64) T formed[outer_block];
      form(piece.factored->factors, piece.begin, piece.end, formed);
      update(begin, end, formed);
    });
  });
  parameters_.changed();
  if (!all_finite) refuse_spoiled();
}

void Optimiser::check() const {
  if (device_spoiled_.defined() && device_spoiled_.on(nullptr).span<std::int32_t>()[0] != 0) refuse_spoiled();
}

void Optimiser::refuse_spoiled() const {
  // A device is asked some steps later: by then the value says what the gradient may say no more.
  for (int i = 0; i < parameters_.count(); ++i)
    if (parameters_.trainable(i) && (!finite(parameters_.grad(i)) || !finite(parameters_.value(i))))
      throw NumericError("[{}] {} {}: the gradient of '{}' holds a NaN or infinity; lower the learning rate",
                         name(rule_.kind), parameters_.backend() ? "some step up to" : "step", steps_,
                         parameters_.name(i));
}

void Optimiser::resume(const Tensor& state, std::int64_t steps) {
  if (state.dtype() != state_.dtype())
    throw DtypeError("[{}] state is {}, the parameters {}", name(rule_.kind), weft::name(state.dtype()),
                     weft::name(state_.dtype()));
  if (state.shape() != state_.shape())
    throw ShapeError("[{}] state of shape {}; allowed: {}", name(rule_.kind), state.shape().str(),
                     state_.shape().str());
  if (steps < 0) throw UsageError("[{}] {} steps; allowed: 0 or more", name(rule_.kind), steps);
  state_.copy_from(state);
  steps_ = steps;
  if (device_spoiled_.defined()) device_spoiled_.fill(0);
}

}  // namespace weft
