#include "weft/nfn/linear/linear.h"

#include <memory>

#include "weft/nfn/linear/mixing_schedule.h"
#include "weft/nfn/linear/schedule.h"
#include "weft/nfn/term_layer.h"
#include "weft/ops/terms.h"

namespace weft {
namespace {

using namespace linear;

/// Runs a schedule and records it as one node. `special` has what only that schedule needs; features, then learned are
/// the inputs.
template <class T, class SomeCall>
void record(const char* who, const TermList& list, const SomeCall& special, std::span<const Var> features,
            std::span<const Var> learned, std::int64_t e, std::span<Var> outputs, const LayerInput& input) {
  Tape& tape = features[0].tape();
  Arena& arena = tape.arena();
  auto* call = new (arena.allocate(sizeof(SomeCall))) SomeCall(special);
  call->batch = features[0].shape()[0];
  call->features = static_cast<int>(features.size()), call->targets = static_cast<int>(outputs.size()),
  call->parameters = static_cast<int>(learned.size());
  call->reading = Reading<T>(input);
  call->in = numbers<Batch<const T>>(arena, call->features);
  const T** mask = numbers<const T*>(arena, call->features);
  call->mask = mask;
  for (int i = 0; i < call->features; ++i) {
    const Tensor& x = features[static_cast<std::size_t>(i)].value();
    call->in[i] = {x.data<T>(), x.dim(1), list.in().axes_shape(i).numel()};
    mask[i] = draw_mask<T>(input, list.in().tensors()[static_cast<std::size_t>(i)], call->batch, x.dim(1), arena);
  }
  const T** phi = numbers<const T*>(arena, call->parameters);
  for (int i = 0; i < call->parameters; ++i) phi[i] = learned[static_cast<std::size_t>(i)].value().data<T>();
  call->phi = phi;
  call->out = numbers<Batch<T>>(arena, call->targets);
  const std::span<Output> made(numbers<Output>(arena, call->targets), outputs.size());
  for (int t = 0; t < call->targets; ++t) {
    const Tensor y = tape.empty(list.out().feature_shape(t, call->batch, e), dtype_of<T>);
    new (&made[static_cast<std::size_t>(t)]) Output{y, list.out().type(t)};
    call->out[t] = {y.data<T>(), y.dim(1), list.out().axes_shape(t).numel()};
  }
  forward(*call, arena);

  const std::size_t count = features.size() + learned.size();
  const std::span<Var> all(numbers<Var>(arena, static_cast<std::int64_t>(count)), count);
  std::uninitialized_copy(features.begin(), features.end(), all.begin());
  std::uninitialized_copy(learned.begin(), learned.end(), all.begin() + static_cast<std::ptrdiff_t>(features.size()));
  tape.record_many(who, made, outputs, all, [call](Backward& back) {
    back.require_inputs();
    Arena& memory = back.arena();
    CallGradients<T> g{numbers<Batch<const T>>(memory, call->targets), nullptr, numbers<T>(memory, call->features),
                       nullptr};
    for (int t = 0; t < call->targets; ++t)
      g.y[t] = {cotangent_of<T>(back, t), call->out[t].channels, call->out[t].size};
    bool wanted = false;
    for (int i = 0; i < call->features; ++i) wanted |= back.wants(i);
    if (wanted) {
      g.x = numbers<Batch<T>>(memory, call->features);
      for (int i = 0; i < call->features; ++i) {
        const Grad<T> to = gradient_of<T>(back, i);
        g.x[i] = {to.data, call->in[i].channels, call->in[i].size};
        g.x_beta[i] = to.beta;
      }
    }
    auto* phi = numbers<Grad<T>>(memory, call->parameters);
    for (int i = 0; i < call->parameters; ++i) phi[i] = gradient_of<T>(back, call->features + i);
    g.phi = phi;
    vjp(*call, g, memory);
  });
  std::destroy(made.begin(), made.end());
}

}  // namespace

LinearLayer::LinearLayer(Parameters& parameters, const std::string& name, const Space& in, const Space& out,
                         const std::string& terms, std::int64_t d, std::int64_t e)
    : list_(in, out, terms),
      d_(d),
      e_(e),
      numbers_(declare_parameters(parameters, name, list_, d, e, true)),
      pieces_(pieces_of(list_)),
      mixing_(pieces_ ? std::nullopt : mixing_of(list_, d, e)) {}

std::string_view LinearLayer::fallback(const Backend* backend) const {
  if (backend) return "there is no schedule for devices";
  return pieces_ || mixing_ ? "" : "there is no schedule for lists with diagonals, heads or shared phis";
}

void LinearLayer::operator()(const Parameters& parameters, std::span<const Var> inputs, std::span<Var> outputs,
                             const LayerInput& input) const {
  if (inputs.empty()) throw ShapeError("[linear_layer] no inputs");
  (*this)(inputs, learned_on(parameters, inputs[0].tape(), numbers_), outputs, input);
}

void LinearLayer::operator()(std::span<const Var> inputs, std::span<const Var> learned, std::span<Var> outputs,
                             const LayerInput& input) const& {
  constexpr const char* who = "linear_layer";
  check_features(who, list_, inputs, d_, outputs.size());
  check_parameters(who, list_, learned, d_, e_, inputs[0].dtype());
  check_input(who, input, list_.in());
  if (fallback(inputs[0].tape().backend()).empty())
    return with_float(inputs[0].dtype(), who, [&](auto t) {
      using T = decltype(t);
      if (pieces_)
        record<T>(who, list_, PiecesCall<T>{{}, &*pieces_}, inputs, learned, e_, outputs, input);
      else
        record<T>(who, list_, MixingCall<T>{{}, &*mixing_}, inputs, learned, e_, outputs, input);
    });
  run_terms(list_, read_features(input, list_.in(), inputs), learned, e_, outputs);
}

FourierLinear::FourierLinear(Parameters& parameters, const std::string& name, const Space& in, const Space& out,
                             const std::string& terms, const FourierOptions& options, std::int64_t e)
    : options_(options),
      linear_(parameters, name, in, out, terms, options.frequencies * (options.sines ? 1 : 2), e),
      frequencies_(
          parameters.add(name + ".frequencies", {options.frequencies}, Init::normal(options.deviation), false)) {
  if (!linear_.pieces_)
    throw UsageError("[fourier_linear] '{}': the list has terms that are no plain products; allowed: those of spec 4.1",
                     name);
  for (const SpaceTensor& tensor : in.tensors())
    if (tensor.taps() != 1) throw UsageError("[fourier_linear] tensor '{}' has taps; allowed: none", tensor.name);
}

void FourierLinear::operator()(const Parameters& parameters, std::span<const Var> inputs,
                               std::span<Var> outputs) const {
  if (inputs.empty()) throw ShapeError("[fourier_linear] no inputs");
  Tape& tape = inputs[0].tape();
  (*this)(inputs, parameters.on(tape, frequencies_), learned_on(parameters, tape, linear_.numbers_), outputs);
}

void FourierLinear::operator()(std::span<const Var> inputs, const Var& frequencies, std::span<const Var> learned,
                               std::span<Var> outputs) const {
  constexpr const char* who = "fourier_linear";
  const TermList& list = linear_.list();
  // The raw weights are one channel; the phis are shaped for their features.
  check_features(who, list, inputs, 1, outputs.size());
  check_parameters(who, list, learned, linear_.d_, linear_.e_, inputs[0].dtype());
  const Action action = options_.sines ? Action::pointwise_odd : Action::pointwise_any;
  for (const Var& x : inputs) {
    require(action, "fourier_features", x.name(), x.type());
    if (x.requires_grad())
      throw UsageError("[{}] tensor '{}' wants a gradient; use fourier_features and LinearLayer", who, x.name());
  }
  if (Tape& tape = inputs[0].tape(); tape.backend()) {
    const std::span<Var> features = tape.variables(inputs.size());
    for (std::size_t i = 0; i < features.size(); ++i)
      features[i] = fourier_features(inputs[i], frequencies, options_.sines);
    return linear_(features, learned, outputs);
  }
  with_float(inputs[0].dtype(), who, [&](auto t) {
    using T = decltype(t);
    const Tensor& f = frequencies.value();
    record<T>(who, list, PiecesCall<T>{{}, &*linear_.pieces_, f.data<T>(), f.numel(), options_.sines}, inputs, learned,
              linear_.e_, outputs, {});
  });
}

}  // namespace weft
