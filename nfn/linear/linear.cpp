#include "weft/nfn/linear/linear.h"

#include "weft/nfn/linear/mixing_schedule.h"
#include "weft/nfn/linear/schedule.h"
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

LinearLayer::LinearLayer(const Module& parent, std::string_view name, const Space& in, const Space& out,
                         const std::string& terms, std::int64_t d, std::int64_t e, std::span<const double> start)
    : EquivariantLayer(parent, name, "linear_layer", TermList(in, out, terms), d, e),
      pieces_(pieces_of(list())),
      mixing_(pieces_ ? std::nullopt : mixing_of(list(), d, e)) {
  declare(true, start);
  facts().fallback = [scheduled = pieces_ || mixing_](const Backend* backend) -> std::string_view {
    if (backend) return "there is no schedule for devices";
    return scheduled ? "" : "there is no schedule for lists with diagonals, heads or shared phis";
  };
}

void LinearLayer::run(const Features& x, std::span<const Var> learned, std::span<Var> y,
                      const LayerInput& input) const {
  if (!facts().fallback(x.tape().backend()).empty())
    return run_terms(list(), read_features(input, in(), x.vars()), learned, e(), y);
  with_float(x.dtype(), who_, [&](auto tag) {
    using T = decltype(tag);
    if (pieces_)
      record<T>(who_, list(), PiecesCall<T>{{}, &*pieces_}, x.vars(), learned, e(), y, input);
    else
      record<T>(who_, list(), MixingCall<T>{{}, &*mixing_}, x.vars(), learned, e(), y, input);
  });
}

FourierLinear::FourierLinear(const Module& parent, std::string_view name, const Space& in, const Space& out,
                             const std::string& terms, const FourierOptions& options, std::int64_t e,
                             std::span<const double> start)
    : options_(options),
      linear_(parent, name, in, out, terms, options.frequencies * (options.sines ? 1 : 2), e, start),
      frequencies_(
          linear_.add_parameter("frequencies", {options.frequencies}, Init::normal(options.deviation), false)) {
  if (!linear_.pieces_)
    throw UsageError("[fourier_linear] '{}': the list has terms that are no plain products; allowed: those of spec 4.1",
                     name);
  for (const SpaceTensor& tensor : in.tensors())
    if (tensor.taps() != 1) throw UsageError("[fourier_linear] tensor '{}' has taps; allowed: none", tensor.name);
}

Features FourierLinear::operator()(const Features& x) const {
  return apply(x, linear_.on(x.tape(), frequencies_), linear_.learned_on(x.tape()));
}

Features FourierLinear::apply(const Features& x, const Var& frequencies, std::span<const Var> learned) const {
  constexpr const char* who = "fourier_linear";
  // The raw weights are one channel; the phis are shaped for their features.
  check_features(who, list(), x.vars(), 1);
  check_parameters(who, list(), learned, linear_.d(), linear_.e(), x.dtype());
  const Action action = options_.sines ? Action::pointwise_odd : Action::pointwise_any;
  for (const Var& tensor : x.vars()) {
    require(action, "fourier_features", tensor.name(), tensor.type());
    if (tensor.requires_grad())
      throw UsageError("[{}] tensor '{}' wants a gradient; use fourier_features and LinearLayer", who, tensor.name());
  }
  Tape& tape = x.tape();
  const std::span<Var> y = tape.variables(x.vars().size());
  if (tape.backend()) {
    for (std::size_t i = 0; i < y.size(); ++i) y[i] = fourier_features(x.vars()[i], frequencies, options_.sines);
    return linear_.apply({x.space(), y}, learned);
  }
  with_float(x.dtype(), who, [&](auto tag) {
    using T = decltype(tag);
    const Tensor& f = frequencies.value();
    record<T>(who, list(), PiecesCall<T>{{}, &*linear_.pieces_, f.data<T>(), f.numel(), options_.sines}, x.vars(),
              learned, linear_.e(), y, {});
  });
  return {linear_.out(), y};
}

}  // namespace weft
