#include "weft/nfn/transformer/invariant.h"

#include <memory>

#include "weft/nfn/transformer/device_schedule.h"
#include "weft/nfn/transformer/features.h"
#include "weft/nfn/transformer/initial.h"
#include "weft/nfn/transformer/terms.h"

namespace weft {
namespace {

using namespace transformer;

constexpr const char* who = "transformer_invariant";

template <class T>
struct State {
  GlobalCall<T> global;
  Block<T> block;
};

template <class T>
void forward(const State<T>& s, Arena& arena) {
  const Sizes& z = s.block.z;
  const std::int64_t vector = GlobalVector(z).size, each = padded(s.block.scratch());
  T* memory = numbers<T>(arena, each * threads());
  parallel_workers(z.batch, 1, [&](std::int64_t net, std::int64_t, int worker) {
    s.block.features(net, s.global.x + net * vector, memory + worker * each);
  });
  s.global.forward(arena);
}

template <class T>
void vjp(const State<T>& s, Backward& back) {
  back.require_inputs();
  const Sizes& z = s.block.z;
  Arena& arena = back.arena();
  std::copy_n(back.cotangent().data<T>(), z.batch * z.e, s.global.gy);
  s.global.parameters_vjp(back, tensors);
  bool wanted = false;
  for (int i = 0; i < tensors; ++i) wanted |= back.wants(i);
  if (!wanted) return;
  const std::int64_t vector = GlobalVector(z).size, each = padded(s.block.scratch());
  T *gx = numbers<T>(arena, z.batch * vector), *memory = numbers<T>(arena, each * threads());
  const BlockGradients<T> to(back);
  s.global.input_vjp(gx);
  parallel_workers(z.batch, 1, [&](std::int64_t net, std::int64_t, int worker) {
    features_vjp<T>(s.block, net, gx + net * vector, nullptr, nullptr, nullptr, to, memory + worker * each);
  });
}

/// A space of another form must say so before its terms do.
TermList checked_list(const Space& space, std::int64_t d, std::int64_t e) {
  block_sizes(who, space, d, e);
  return {space, Space::parse("y"), transformer_invariant_terms()};
}

}  // namespace

TransformerInvariant::TransformerInvariant(const Module& parent, std::string_view name, const Space& space,
                                           std::int64_t d, std::int64_t e)
    : InvariantLayer(parent, name, who, checked_list(space, d, e), d, e),
      sizes_(block_sizes(who, space, d, e)),
      global_(list(), invariant_globals()) {
  for (const InitialParameter& p : initial_parameters(list(), invariant_initial(), global_.phis(), d, e))
    declare(p.shape, Init::normal(p.deviation), true, p.form);
  facts().flops = [z = sizes_](std::int64_t batch) {
    return 2. * static_cast<double>(batch * (GlobalVector(z).size * z.e + z.d * z.D * z.D * z.h * (z.Dk + z.Dv)));
  };
}

void TransformerInvariant::check_reading(const LayerInput& input) const { check_block_input(who, input, in()); }

Var TransformerInvariant::run(const Features& x, std::span<const Var> learned, const LayerInput& input) const {
  Tape& tape = x.tape();
  Arena& host = tape.host();
  Sizes z = sizes_;
  z.batch = x.batch();
  return with_float(x.dtype(), who, [&](auto tag) {
    using T = decltype(tag);
    const Tensor y = tape.empty({z.batch, z.e}, dtype_of<T>);
    const auto record = [&](auto vjp) { return tape.record(who, y, Type::plain(2), node_inputs(x, learned), vjp); };
    if (tape.backend()) {
      const Output made{y, Type::plain(2)};
      const auto* s = device_forward<T>(global_, nullptr, z, x.vars(), learned, {&made, 1}, input, tape);
      return record([s, table = &global_](Backward& back) { device_vjp(*s, *table, nullptr, back); });
    }
    auto* s = new (host.allocate(sizeof(State<T>)))
        State<T>{GlobalCall<T>(global_, z, learned, host), Block<T>(z, x.vars(), input, false, host)};
    s->global.y = y.data<T>();
    const Arena::Mark mark = host.mark();
    forward(*s, host);
    host.rewind(mark);
    return record([s](Backward& back) { vjp(*s, back); });
  });
}

}  // namespace weft
