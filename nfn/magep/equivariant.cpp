#include "weft/nfn/magep/equivariant.h"

#include <memory>

#include "weft/nfn/magep/device_schedule.h"
#include "weft/nfn/magep/schedule.h"
#include "weft/nfn/magep/terms.h"
#include "weft/nfn/term_layer.h"
#include "weft/ops/terms.h"

namespace weft {
namespace {

using namespace magep;

constexpr const char* who = "magep_equivariant";

/// Memory of the inputs, the outputs and everything that is saved.
template <class T>
Schedule<T>* lay_out(const Tables& t, std::int64_t d, std::int64_t e, std::span<const Var> inputs,
                     std::span<const Var> learned, std::span<const Output> outputs, const Space& space,
                     const LayerInput& input, Arena& arena) {
  auto* s = new (arena.allocate(sizeof(Schedule<T>))) Schedule<T>{};
  lay_out_suffixes<T>(*s, t, d, e, inputs, learned, 1, space, input, arena);
  const Sizes& z = s->z;
  const int L = z.L();
  s->W_out = per_layer<T>(arena, L), s->b_out = per_layer<T>(arena, L);
  s->X = per_layer<T>(arena, L), s->R = per_layer<T>(arena, L);
  s->phi = numbers<PhiTable<const T*>>(arena, L + 1);
  s->mix = numbers<T*>(arena, L);
  for (int i = 1; i <= L; ++i) {
    const auto at = static_cast<std::size_t>(i);
    auto output = [&](int tensor) { return outputs[static_cast<std::size_t>(tensor)].value.template data<T>(); };
    s->W_out.data[i] = output(t.W[at]), s->W_out.stride[i] = e * z.weight(i);
    s->b_out.data[i] = output(t.b[at]), s->b_out.stride[i] = e * z.width(i);
    auto find = [&](int number) {
      return number < 0 ? nullptr : learned[static_cast<std::size_t>(number)].value().template data<T>();
    };
    for (int m = 1; m <= 4; ++m) s->phi[i].W[m] = find(t.phi[at].W[m]);
    for (int m = 1; m <= 8; ++m) s->phi[i].b[m] = find(t.phi[at].b[m]);
    if (i > 1) fill(s->R, i, arena, s->factored() ? 2 * z.width(i) * d : (z.n0() + 1) * d * z.width(i - 1), z.batch);
    if (i == L) continue;
    fill(s->X, i, arena, s->stack_rows(i) * z.width(i), z.batch);
    s->mix[i] = numbers<T>(arena, s->mix_rows(i) * s->stack_rows(i));
  }
  if (!s->factored()) {
    s->left = numbers<T>(arena, (z.n0() + 1) * d * z.batch * e * z.nL());
    s->last_in = numbers<T>(arena, z.batch * d * z.weight(L));
  }
  return s;
}

template <class T>
void run_vjp(const Schedule<T>& s, const Tables& t, Backward& back) {
  back.require_inputs();
  const int L = s.z.L(), features = 2 * L;
  Arena& arena = back.arena();
  LayerGradients<T> g{feature_gradients<T>(t, back), per_layer<const T>(arena, L), per_layer<const T>(arena, L),
                      numbers<PhiTable<Grad<T>>>(arena, L + 1)};
  for (int i = 1; i <= L; ++i) {
    const auto at = static_cast<std::size_t>(i);
    g.W_y.data[i] = cotangent_of<T>(back, t.W[at]), g.W_y.stride[i] = s.W_out.stride[i];
    g.b_y.data[i] = cotangent_of<T>(back, t.b[at]), g.b_y.stride[i] = s.b_out.stride[i];
    for (int m = 1; m <= 4; ++m)
      if (const int number = t.phi[at].W[m]; number >= 0) g.phi[i].W[m] = gradient_of<T>(back, features + number);
    for (int m = 1; m <= 8; ++m)
      if (const int number = t.phi[at].b[m]; number >= 0) g.phi[i].b[m] = gradient_of<T>(back, features + number);
  }
  vjp(s, g, arena);
}

}  // namespace

MagepEquivariant::MagepEquivariant(Parameters& parameters, const std::string& name, const Space& space, std::int64_t d,
                                   std::int64_t e, bool train_psi)
    : list_(space, space, magep_equivariant_terms(static_cast<int>(dense_widths(who, space).size()) - 1)),
      d_(d),
      e_(e),
      numbers_(declare_parameters(parameters, name, list_, d, e, train_psi)),
      tables_(tables_of(who, list_, "b" + std::to_string(static_cast<int>(space.tensors().size()) / 2) + ".")) {}

void MagepEquivariant::operator()(const Parameters& parameters, std::span<const Var> inputs, std::span<Var> outputs,
                                  const LayerInput& input) const {
  if (inputs.empty()) throw ShapeError("[{}] no inputs", who);
  (*this)(inputs, learned_on(parameters, inputs[0].tape(), numbers_), outputs, input);
}

void MagepEquivariant::operator()(std::span<const Var> inputs, std::span<const Var> learned, std::span<Var> outputs,
                                  const LayerInput& input) const& {
  check_features(who, list_, inputs, d_, outputs.size());
  check_parameters(who, list_, learned, d_, e_, inputs[0].dtype());
  check_input(who, input, list_.in());
  with_float(inputs[0].dtype(), who, [&](auto t) { run<decltype(t)>(inputs, learned, outputs, input); });
}

template <class T>
void MagepEquivariant::run(std::span<const Var> inputs, std::span<const Var> learned, std::span<Var> outputs,
                           const LayerInput& input) const {
  Tape& tape = inputs[0].tape();
  Arena& host = tape.host();
  const std::size_t count = outputs.size();
  const std::span<Output> made(numbers<Output>(host, static_cast<std::int64_t>(count)), count);
  for (std::size_t i = 0; i < count; ++i) {
    const int tensor = static_cast<int>(i);
    new (&made[i]) Output{tape.empty(list_.out().feature_shape(tensor, inputs[0].shape()[0], e_), dtype_of<T>),
                          list_.out().type(tensor)};
  }
  const std::span<Var> all(numbers<Var>(host, static_cast<std::int64_t>(inputs.size() + learned.size())),
                           inputs.size() + learned.size());
  std::uninitialized_copy(inputs.begin(), inputs.end(), all.begin());
  std::uninitialized_copy(learned.begin(), learned.end(), all.begin() + static_cast<std::ptrdiff_t>(inputs.size()));
  const auto record = [&](auto vjp) { tape.record_many(who, made, outputs, all, vjp); };
  if (tape.backend()) {
    const auto* s = device_forward<T>(tables_, true, d_, e_, inputs, learned, made, list_.in(), input, tape);
    record([s, tables = &tables_](Backward& back) { device_vjp(*s, *tables, back); });
  } else {
    Schedule<T>* s = lay_out<T>(tables_, d_, e_, inputs, learned, made, list_.in(), input, host);
    const Arena::Mark mark = host.mark();
    forward(*s, host);
    host.rewind(mark);
    record([s, tables = &tables_](Backward& back) { run_vjp(*s, *tables, back); });
  }
  std::destroy(made.begin(), made.end());
}

}  // namespace weft
