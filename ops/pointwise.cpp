#include "weft/ops/pointwise.h"

#include <cmath>

#include "weft/core/backend.h"
#include "weft/core/isa.h"
#include "weft/ops/operators.h"

namespace weft {

WEFT_ISA_TABLE(PointwiseKernels, pointwise_kernels)

namespace {

struct BinaryTraits {
  const char* name;
  bool linear, homogeneous;
  int power;
};
constexpr BinaryTraits binary_traits[] = {
#define WEFT_TRAITS(Op, function) {Op::name, Op::linear, Op::homogeneous, Op::power},
    WEFT_BINARY_OPS(WEFT_TRAITS)
#undef WEFT_TRAITS
};
const BinaryTraits& traits(BinaryOp op) { return binary_traits[static_cast<int>(op)]; }

const PointwiseKernels& kernels(Backend* backend, const char* who) {
  return backend ? backend->table<PointwiseKernels>(who) : WEFT_FOR_ISA(pointwise_kernels);
}

}  // namespace

const UnaryTraits& traits(UnaryOp op) {
  static constexpr UnaryTraits table[] = {
#define WEFT_TRAITS(Op, function) \
  {Op::name, Op::odd, Op::homogeneous, Op::from_output, twice_power_of<Op>(), parameter_of<Op>()},
      WEFT_UNARY_OPS(WEFT_TRAITS)
#undef WEFT_TRAITS
  };
  return table[static_cast<int>(op)];
}

Action action_of(UnaryOp op) {
  if (op == UnaryOp::Abs) return Action::absolute;
  if (op == UnaryOp::AddScalar) return Action::add_constant;
  const UnaryTraits& t = traits(op);
  if (t.twice_power == 4) return Action::multiply;
  if (t.odd && t.homogeneous) return Action::scale;
  if (t.odd) return Action::pointwise_odd;
  return t.homogeneous ? Action::pointwise_homogeneous : Action::pointwise_any;
}

const UnaryKernel& kernel(UnaryOp op, DType dtype, Backend* backend) {
  const char* who = traits(op).name;
  return kernels(backend, who).unary[static_cast<int>(op)][float_column(dtype, who)];
}

const BinaryKernel& kernel(BinaryOp op, DType dtype, Backend* backend) {
  const char* who = traits(op).name;
  return kernels(backend, who).binary[static_cast<int>(op)][float_column(dtype, who)];
}

template <>
auto activation<float>(UnaryOp op) -> void (*)(float*, std::int64_t) {
  return WEFT_FOR_ISA(pointwise_kernels).activate_float[static_cast<int>(op)];
}

template <>
auto activation<double>(UnaryOp op) -> void (*)(double*, std::int64_t) {
  return WEFT_FOR_ISA(pointwise_kernels).activate_double[static_cast<int>(op)];
}

namespace {

double checked_parameter(UnaryOp op, std::optional<double> p) {
  const char* name = traits(op).name;
  const OpParameter& allowed = traits(op).parameter;
  if (!p) return allowed.usual;
  if (!allowed.taken()) throw UsageError("[{}] parameter {} given; allowed: none", name, *p);
  if (!allowed.allows(*p))
    throw UsageError("[{}] parameter {}; allowed: {}", name, *p,
                     std::isinf(allowed.up_to) ? "finite numbers"
                                               : fmt::format("above {}, at most {}", allowed.above, allowed.up_to));
  return *p;
}

/// What an op leaves of an axis, or a TypeError.
Axis result_axis(UnaryOp op, const Var& x, int i) {
  const UnaryTraits& t = traits(op);
  const Axis& axis = x.type()[i];
  if (t.twice_power != 0)
    if (const std::optional<Axis> raised = axis.raised(t.twice_power)) return *raised;
  require(action_of(op), t.name, x.name(), x.type(), i);
  return op == UnaryOp::Abs ? axis.without_signs() : axis;
}

}  // namespace

Var unary(UnaryOp op, const Var& x, std::optional<double> given) {
  const Tensor& in = x.value();
  const double p = checked_parameter(op, given);
  Type type = x.type();
  for (int i = 0; i < type.size(); ++i) type[i] = result_axis(op, x, i);
  const Tensor y = x.tape().empty(in.shape(), in.dtype());
  kernel(op, in.dtype(), in.backend()).forward(in.raw(), y.raw(), in.numel(), p);
  return x.tape().record(traits(op).name, y, type, {x}, [op, p](Backward& b) {
    const GradSlot g = b.grad(0);
    // An op whose derivative follows from its output does not need its input to be unchanged.
    const Tensor& out = b.output();
    const void* in = traits(op).from_output ? out.raw() : b.input(0).raw();
    kernel(op, out.dtype(), out.backend())
        .vjp(in, out.raw(), b.cotangent().raw(), g.tensor.raw(), g.beta != 0, out.numel(), p);
  });
}

namespace {

/// Of a sum both must transform alike; a product adds their degrees.
Type binary_type(BinaryOp op, const Var& a, const Var& b) {
  const auto& [name, linear, homogeneous, power] = traits(op);
  Type type = a.type();
  const Type of_b = power < 0 ? b.type().dual() : b.type();
  if (power == 0 || type.free() != of_b.free() || type.size() != of_b.size()) {
    require_equal(name, a.name(), type, b.name(), b.type());
    if (!linear) require(homogeneous ? Action::pointwise_homogeneous : Action::mix, name, a.name(), type);
    return type;
  }
  for (int i = 0; i < type.size(); ++i) type[i] = multiplied(name, a.name(), a.type(), i, b.name(), of_b, i);
  return type;
}

}  // namespace

Var binary(BinaryOp op, const Var& a, const Var& b) {
  const auto& [name, linear, homogeneous, power] = traits(op);
  const Tensor &ta = a.value(), &tb = b.value();
  if (ta.shape() != tb.shape())
    throw ShapeError("[{}] shapes {} and {} differ", name, ta.shape().str(), tb.shape().str());
  if (ta.dtype() != tb.dtype())
    throw DtypeError("[{}] dtypes {} and {} differ", name, weft::name(ta.dtype()), weft::name(tb.dtype()));
  const Type type = binary_type(op, a, b);
  const Tensor y = a.tape().empty(ta.shape(), ta.dtype());
  kernel(op, ta.dtype(), ta.backend()).forward(ta.raw(), tb.raw(), y.raw(), y.numel());
  return a.tape().record(name, y, type, {a, b}, [op](Backward& back) {
    // A linear op reads no saved value, so its inputs may have changed.
    const bool reads = !traits(op).linear;
    const void* pa = reads ? back.input(0).raw() : back.cotangent().raw();
    const void* pb = reads ? back.input(1).raw() : back.cotangent().raw();
    const Tensor& gy = back.cotangent();
    for (int i = 0; i < 2; ++i) {  // one after the other: a and b may be the same variable
      if (!back.wants(i)) continue;
      const GradSlot g = back.grad(i);
      kernel(op, gy.dtype(), gy.backend())
          .vjp(pa, pb, gy.raw(), gy.raw(), i == 0 ? g.tensor.raw() : nullptr, g.beta != 0,
               i == 1 ? g.tensor.raw() : nullptr, g.beta != 0, gy.numel());
    }
  });
}

Var clamp(const Var& x, double low, double high) {
  if (!(low <= high)) throw UsageError("[clamp] from {} to {}; allowed: an interval", low, high);
  return at_most(at_least(x, low), high);
}

}  // namespace weft
