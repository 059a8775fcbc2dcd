#include "weft/nfn/magep/equivariant.h"

#include "weft/nfn/magep/cost.h"
#include "weft/nfn/magep/device_schedule.h"
#include "weft/nfn/magep/schedule.h"
#include "weft/nfn/magep/tables.h"
#include "weft/nfn/magep/terms.h"

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
    for (int m = from_W; m <= weight_terms; ++m) s->phi[i].W[m] = find(t.phi[at].W[m]);
    for (int m = 1; m <= bias_terms; ++m) s->phi[i].b[m] = find(t.phi[at].b[m]);
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
    for (int m = from_W; m <= weight_terms; ++m)
      if (const int number = t.phi[at].W[m]; number >= 0) g.phi[i].W[m] = gradient_of<T>(back, features + number);
    for (int m = 1; m <= bias_terms; ++m)
      if (const int number = t.phi[at].b[m]; number >= 0) g.phi[i].b[m] = gradient_of<T>(back, features + number);
  }
  vjp(s, g, arena);
}

}  // namespace

MagepEquivariant::MagepEquivariant(const Module& parent, std::string_view name, const Space& space, std::int64_t d,
                                   std::int64_t e, bool train_psi)
    : EquivariantLayer(
          parent, name, who,
          TermList(space, space, magep_equivariant_terms(static_cast<int>(dense_widths(who, space).size()) - 1)), d, e),
      tables_(std::make_shared<magep::Tables>(
          tables_of(who, list(), "b" + std::to_string(static_cast<int>(space.tensors().size()) / 2) + "."))) {
  declare(train_psi);
  facts().flops = [widths = tables_->widths, d, e](std::int64_t batch) {
    return magep::equivariant_flops({widths, d, e, batch});
  };
}

void MagepEquivariant::run(const Features& x, std::span<const Var> learned, std::span<Var> y,
                           const LayerInput& input) const {
  Tape& tape = x.tape();
  Arena& host = tape.host();
  const std::span<Output> made = make_outputs(x);
  with_float(x.dtype(), who, [&](auto tag) {
    using T = decltype(tag);
    const auto record = [&](auto vjp) { tape.record_many(who, made, y, node_inputs(x, learned), vjp); };
    if (tape.backend()) {
      const auto* s = device_forward<T>(*tables_, true, d(), e(), x.vars(), learned, made, in(), input, tape);
      return record([s, tables = tables_.get()](Backward& back) { device_vjp(*s, *tables, back); });
    }
    Schedule<T>* s = lay_out<T>(*tables_, d(), e(), x.vars(), learned, made, in(), input, host);
    const Arena::Mark mark = host.mark();
    forward(*s, host);
    host.rewind(mark);
    record([s, tables = tables_.get()](Backward& back) { run_vjp(*s, *tables, back); });
  });
}

}  // namespace weft
