#include "weft/nfn/transformer/equivariant.h"

#include <memory>

#include "weft/nfn/term_layer.h"
#include "weft/nfn/transformer/device_schedule.h"
#include "weft/nfn/transformer/initial.h"
#include "weft/nfn/transformer/schedule.h"
#include "weft/nfn/transformer/terms.h"
#include "weft/ops/terms.h"

namespace weft {
namespace {

using namespace transformer;

constexpr const char* who = "transformer_equivariant";

GlobalTable global_table(const TermList& list) {
  GlobalTable t;
  t.add(list, "WA.", false, {1, 2, 4, 8, 10, 12, 13});
  t.add(list, "bA.", false, {1, 2, 3, 5, 7, 9, 10});
  t.add(list, "WB.", true, {1, 2, 3, 5, 7, 9, 10});
  t.add(list, "bB.", true, {1, 2, 3, 4, 5, 6, 7});
  return t;
}

}  // namespace

TransformerEquivariant::TransformerEquivariant(Parameters& parameters, const std::string& name, const Space& space,
                                               std::int64_t d, std::int64_t e, bool train)
    : sizes_(block_sizes(who, space, d, e)),
      list_(space, space, transformer_equivariant_terms()),
      global_(global_table(list_)),
      axis_(list_),
      numbers_(declare(parameters, name, list_, equivariant_groups(), global_.phis(), d, e, train)) {}

double TransformerEquivariant::flops(std::int64_t batch) const {
  const Sizes& z = sizes_;
  const std::int64_t D = z.D, heads = z.h * (2 * z.Dk + z.Dv), both = z.h * (z.Dk + z.Dv), inner = z.h * z.Dv * D;
  return 2. * static_cast<double>(batch * (GlobalVector(z).size * global_.outputs(z) + z.d * D * D * both +
                                           z.e * z.d * D * D * heads + z.A * z.e * (D + 2) * z.d * (D + 2) +
                                           z.e * z.d * (D * (D + 1) + D * z.A + inner)));
}

void TransformerEquivariant::operator()(const Parameters& parameters, std::span<const Var> inputs,
                                        std::span<Var> outputs, const LayerInput& input) const {
  if (inputs.empty()) throw ShapeError("[{}] no inputs", who);
  (*this)(inputs, learned_on(parameters, inputs[0].tape(), numbers_), outputs, input);
}

void TransformerEquivariant::operator()(std::span<const Var> inputs, std::span<const Var> learned,
                                        std::span<Var> outputs, const LayerInput& input) const& {
  check_features(who, list_, inputs, sizes_.d, outputs.size());
  check_parameters(who, list_, learned, sizes_.d, sizes_.e, inputs[0].dtype());
  check_block_input(who, input, list_.in());
  with_float(inputs[0].dtype(), who, [&](auto t) { run<decltype(t)>(inputs, learned, outputs, input); });
}

template <class T>
void TransformerEquivariant::run(std::span<const Var> inputs, std::span<const Var> learned, std::span<Var> outputs,
                                 const LayerInput& input) const {
  Tape& tape = inputs[0].tape();
  Arena& host = tape.host();
  Sizes z = sizes_;
  z.batch = inputs[0].shape()[0];
  const std::span<Output> made(numbers<Output>(host, tensors), tensors);
  for (int t = 0; t < tensors; ++t)
    new (&made[static_cast<std::size_t>(t)])
        Output{tape.empty(list_.out().feature_shape(t, z.batch, z.e), dtype_of<T>), list_.out().type(t)};
  const std::size_t count = inputs.size() + learned.size();
  const std::span<Var> all(numbers<Var>(host, static_cast<std::int64_t>(count)), count);
  std::uninitialized_copy(inputs.begin(), inputs.end(), all.begin());
  std::uninitialized_copy(learned.begin(), learned.end(), all.begin() + tensors);
  const auto record = [&](auto vjp) { tape.record_many(who, made, outputs, all, vjp); };
  if (tape.backend()) {
    const auto* s = device_forward<T>(global_, &axis_, z, inputs, learned, made, input, tape);
    record([s, this](Backward& back) { device_vjp(*s, global_, &axis_, back); });
  } else {
    auto* s = new (host.allocate(sizeof(Schedule<T>))) Schedule<T>{axis_,
                                                                   GlobalCall<T>(global_, z, learned, host),
                                                                   Block<T>(z, inputs, input, true, host),
                                                                   {},
                                                                   static_cast<std::int64_t>(learned.size())};
    for (int t = 0; t < tensors; ++t) s->out[t] = made[static_cast<std::size_t>(t)].value.template data<T>();
    const Arena::Mark mark = host.mark();
    forward(*s, host);
    host.rewind(mark);
    record([s](Backward& back) { vjp(*s, back); });
  }
  std::destroy(made.begin(), made.end());
}

}  // namespace weft
