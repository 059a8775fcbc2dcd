#include "weft/nfn/transformer/equivariant.h"

#include "weft/nfn/transformer/device_schedule.h"
#include "weft/nfn/transformer/initial.h"
#include "weft/nfn/transformer/schedule.h"
#include "weft/nfn/transformer/terms.h"

namespace weft {
namespace {

using namespace transformer;

constexpr const char* who = "transformer_equivariant";

/// A space of another form must say so before its terms do.
TermList checked_list(const Space& space, std::int64_t d, std::int64_t e) {
  block_sizes(who, space, d, e);
  return {space, space, transformer_equivariant_terms()};
}

}  // namespace

TransformerEquivariant::TransformerEquivariant(const Module& parent, std::string_view name, const Space& space,
                                               std::int64_t d, std::int64_t e, bool train)
    : EquivariantLayer(parent, name, who, checked_list(space, d, e), d, e),
      sizes_(block_sizes(who, space, d, e)),
      global_(list(), equivariant_globals()),
      axis_(list()) {
  for (const InitialParameter& p : initial_parameters(list(), equivariant_initial(), global_.phis(), d, e))
    declare(p.shape, Init::normal(p.deviation), train, p.form);
  facts().flops = [z = sizes_, outputs = global_.outputs(sizes_)](std::int64_t batch) {
    const std::int64_t D = z.D, heads = z.h * (2 * z.Dk + z.Dv), both = z.h * (z.Dk + z.Dv), inner = z.h * z.Dv * D;
    return 2. * static_cast<double>(batch * (GlobalVector(z).size * outputs + z.d * D * D * both +
                                             z.e * z.d * D * D * heads + z.A * z.e * (D + 2) * z.d * (D + 2) +
                                             z.e * z.d * (D * (D + 1) + D * z.A + inner)));
  };
}

void TransformerEquivariant::check_reading(const LayerInput& input) const { check_block_input(who, input, in()); }

void TransformerEquivariant::run(const Features& x, std::span<const Var> learned, std::span<Var> y,
                                 const LayerInput& input) const {
  Tape& tape = x.tape();
  Arena& host = tape.host();
  Sizes z = sizes_;
  z.batch = x.batch();
  const std::span<Output> made = make_outputs(x);
  with_float(x.dtype(), who, [&](auto tag) {
    using T = decltype(tag);
    const auto record = [&](auto vjp) { tape.record_many(who, made, y, node_inputs(x, learned), vjp); };
    if (tape.backend()) {
      const auto* s = device_forward<T>(global_, &axis_, z, x.vars(), learned, made, input, tape);
      return record([s, this](Backward& back) { device_vjp(*s, global_, &axis_, back); });
    }
    auto* s = new (host.allocate(sizeof(Schedule<T>))) Schedule<T>{axis_,
                                                                   GlobalCall<T>(global_, z, learned, host),
                                                                   Block<T>(z, x.vars(), input, true, host),
                                                                   {},
                                                                   static_cast<std::int64_t>(learned.size())};
    for (int t = 0; t < tensors; ++t) s->out[t] = made[static_cast<std::size_t>(t)].value.template data<T>();
    const Arena::Mark mark = host.mark();
    forward(*s, host);
    host.rewind(mark);
    record([s](Backward& back) { vjp(*s, back); });
  });
}

}  // namespace weft
