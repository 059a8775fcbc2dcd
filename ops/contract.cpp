#include "weft/ops/contract.h"

#include "weft/groups/rules.h"
#include "weft/ops/contract_plan.h"
#include "weft/ops/pointwise.h"

namespace weft {
namespace {

template <class T>
void forward(const ContractPlan& plan, const Var& a, const Var& b, const Var* bias, const Tensor& y,
             const ContractOptions& options, Arena& arena) {
  const Labelled la = labelled(a.value(), plan.part[a_part].span()), lb = labelled(b.value(), plan.part[b_part].span());
  const Labelled ly = labelled(y, plan.part[y_part].span());
  const Labelled added = bias ? labelled(bias->value(), plan.part[bias_part].span()) : Labelled{};
  if (direct_product<T>(arena, la, lb, ly, plan.size, 0, {added, options.activation})) return;
  if (!bias || !direct_product<T>(arena, la, lb, ly, plan.size, 0)) {
    const Labelled factors[] = {la, lb};
    einsum<T>(arena, factors, ly, y.numel(), plan.size, 1, 0);
  }
  if (bias) einsum<T>(arena, {&added, 1}, ly, y.numel(), plan.size, 1, 1);
  if (options.activation) {
    const auto p = traits(*options.activation).parameter.usual;
    kernel(*options.activation, y.dtype(), y.backend()).forward(y.raw(), y.raw(), y.numel(), p);
  }
}

/// gradient += Σ gy other, by labels.
template <class T>
void accumulate(Arena& arena, const Labelled& gy, const Labelled* other, const GradSlot& g, const Letters& letters,
                std::span<const std::int64_t> sizes) {
  const Labelled out = labelled(g.tensor, letters.span());
  const auto beta = static_cast<T>(g.beta);
  if (other && direct_product<T>(arena, gy, *other, out, sizes, beta)) return;
  const Labelled factors[] = {gy, other ? *other : Labelled{}};
  einsum<T>(arena, std::span(factors, other ? 2 : 1), out, g.tensor.numel(), sizes, 1, g.beta);
}

Var run(std::string_view text, const Var& a, const Var& b, const Var* bias, const ContractOptions& options) {
  if (options.activation && !traits(*options.activation).from_output)
    throw UsageError("[contract] activation {}: its derivative needs its input; apply it as an op of its own",
                     traits(*options.activation).name);
  Var inputs[3] = {a, b, bias ? *bias : Var{}};
  const std::span<const Var> given(inputs, bias ? 3 : 2);
  const ContractPlan plan = plan_contraction(text, given);
  Tape& tape = a.tape();
  const Tensor y = tape.empty(plan.shape, a.dtype());
  if (options.activation)
    require(action_of(*options.activation), traits(*options.activation).name, "result", plan.type);
  with_float(a.dtype(), "contract", [&](auto t) { forward<decltype(t)>(plan, a, b, bias, y, options, tape.arena()); });

  return tape.record("contract", y, plan.type, given,
                     [plan, act = options.activation, has_bias = bias != nullptr](Backward& back) {
                       with_float(back.cotangent().dtype(), "contract", [&](auto t) {
                         using T = decltype(t);
                         Tensor gy = back.cotangent();
                         if (act) {
                           gy = Tensor::empty(back.arena(), plan.shape, gy.dtype());
                           const Tensor& out = back.output();
                           kernel(*act, gy.dtype(), gy.backend())
                               .vjp(out.raw(), out.raw(), back.cotangent().raw(), gy.raw(), false, gy.numel(),
                                    traits(*act).parameter.usual);
                         }
                         const Labelled lg = labelled(gy, plan.part[y_part].span());
                         for (int i = 0; i < 2; ++i) {
                           if (!back.wants(i)) continue;
                           const Labelled other = labelled(back.input(1 - i), plan.part[1 - i].span());
                           accumulate<T>(back.arena(), lg, &other, back.grad(i), plan.part[i], plan.size);
                         }
                         if (has_bias && back.wants(2))
                           accumulate<T>(back.arena(), lg, nullptr, back.grad(2), plan.part[bias_part], plan.size);
                       });
                     });
}

}  // namespace

Var contract(std::string_view text, const Var& a, const Var& b, const ContractOptions& options) {
  return run(text, a, b, nullptr, options);
}
Var contract(std::string_view text, const Var& a, const Var& b, const Var& bias, const ContractOptions& options) {
  return run(text, a, b, &bias, options);
}

}  // namespace weft
