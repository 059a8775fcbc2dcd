#include "weft/nfn/transformer/invariant.h"

#include <memory>

#include "weft/nfn/term_layer.h"
#include "weft/nfn/transformer/device_schedule.h"
#include "weft/nfn/transformer/features.h"
#include "weft/nfn/transformer/initial.h"
#include "weft/nfn/transformer/terms.h"
#include "weft/ops/terms.h"

namespace weft {
namespace {

using namespace transformer;

constexpr const char* who = "transformer_invariant";

GlobalTable global_table(const TermList& list) {
  GlobalTable t;
  t.add(list, "", false, {1, 2, 3, 4, 5, 6, 7});
  return t;
}

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

}  // namespace

TransformerInvariant::TransformerInvariant(Parameters& parameters, const std::string& name, const Space& space,
                                           std::int64_t d, std::int64_t e)
    : sizes_(block_sizes(who, space, d, e)),
      list_(space, Space::parse("y"), transformer_invariant_terms()),
      global_(global_table(list_)),
      numbers_(declare(parameters, name, list_, invariant_groups(), global_.phis(), d, e)) {}

double TransformerInvariant::flops(std::int64_t batch) const {
  const Sizes& z = sizes_;
  return 2. * static_cast<double>(batch * (GlobalVector(z).size * z.e + z.d * z.D * z.D * z.h * (z.Dk + z.Dv)));
}

Var TransformerInvariant::operator()(const Parameters& parameters, std::span<const Var> inputs,
                                     const LayerInput& input) const {
  if (inputs.empty()) throw ShapeError("[{}] no inputs", who);
  return (*this)(inputs, learned_on(parameters, inputs[0].tape(), numbers_), input);
}

Var TransformerInvariant::operator()(std::span<const Var> inputs, std::span<const Var> learned,
                                     const LayerInput& input) const& {
  check_features(who, list_, inputs, sizes_.d, 1);
  check_parameters(who, list_, learned, sizes_.d, sizes_.e, inputs[0].dtype());
  check_block_input(who, input, list_.in());
  Tape& tape = inputs[0].tape();
  Arena& host = tape.host();
  Sizes z = sizes_;
  z.batch = inputs[0].shape()[0];
  return with_float(inputs[0].dtype(), who, [&](auto tag) {
    using T = decltype(tag);
    const Tensor y = tape.empty({z.batch, z.e}, dtype_of<T>);
    const std::size_t count = inputs.size() + learned.size();
    const std::span<Var> all(numbers<Var>(host, static_cast<std::int64_t>(count)), count);
    std::uninitialized_copy(inputs.begin(), inputs.end(), all.begin());
    std::uninitialized_copy(learned.begin(), learned.end(), all.begin() + tensors);
    const auto record = [&](auto vjp) { return tape.record(who, y, Type::plain(2), all, vjp); };
    if (tape.backend()) {
      const Output made{y, Type::plain(2)};
      const auto* s = device_forward<T>(global_, nullptr, z, inputs, learned, {&made, 1}, input, tape);
      return record([s, table = &global_](Backward& back) { device_vjp(*s, *table, nullptr, back); });
    }
    auto* s = new (host.allocate(sizeof(State<T>)))
        State<T>{GlobalCall<T>(global_, z, learned, host), Block<T>(z, inputs, input, false, host)};
    s->global.y = y.data<T>();
    const Arena::Mark mark = host.mark();
    forward(*s, host);
    host.rewind(mark);
    return record([s](Backward& back) { vjp(*s, back); });
  });
}

}  // namespace weft
