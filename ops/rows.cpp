#include "weft/ops/rows.h"

#include "weft/core/backend.h"
#include "weft/core/isa.h"
#include "weft/groups/rules.h"

namespace weft {

WEFT_ISA_TABLE(RowKernels, row_kernels)

namespace {

struct RowTraits {
  const char* name;
  bool odd, reduces, from_output;
};

const RowTraits& traits(RowOp op) {
  static constexpr RowTraits table[] = {
#define WEFT_TRAITS(Op, function) {Op::name, Op::odd, Op::reduces, Op::from_output},
      WEFT_ROW_OPS(WEFT_TRAITS)
#undef WEFT_TRAITS
  };
  return table[static_cast<int>(op)];
}

/// The output's type, or a TypeError (spec 1.5).
Type infer(RowOp op, const Var& x, int axis) {
  const char* who = traits(op).name;
  Type type = x.type();
  const int typed = axis - type.free();
  if (traits(op).reduces) {
    if (typed >= 0) require_along(Action::reduce, who, x.name(), type, typed);
    Type out(typed < 0 ? type.free() - 1 : type.free());
    for (int i = 0; i < type.size(); ++i)
      if (i != typed) out.push_back(type[i]);
    return out;
  }
  for (int i = 0; i < type.size(); ++i) {
    const bool norm = op == RowOp::L2Normalise;
    Action action = norm && i == typed ? Action::normalise_along : norm ? Action::normalise : Action::mix;
    // What is odd commutes with a sign that all of a row share.
    if (i != typed && traits(op).odd && !norm && type[i].kind()->scales == Scales::sign) action = Action::pointwise_odd;
    if (i == typed)
      require_along(action, who, x.name(), x.type(), i);
    else
      require(action, who, x.name(), x.type(), i);
    // A norm forgets every positive factor across it.
    if (action == Action::normalise) type[i] = type[i].without_magnitudes();
  }
  return type;
}

}  // namespace

const char* name(RowOp op) { return traits(op).name; }

const RowKernel& kernel(RowOp op, DType dtype, Backend* backend) {
  const RowKernels& kernels = backend ? backend->table<RowKernels>(name(op)) : WEFT_FOR_ISA(row_kernels);
  return kernels.op[static_cast<int>(op)][float_column(dtype, name(op))];
}

Var rows(RowOp op, const Var& x, int axis) {
  const Tensor& in = x.value();
  const int a = axis < 0 ? axis + in.rank() : axis;
  if (a < 0 || a >= in.rank())
    throw ShapeError("[{}] axis {} of a tensor of shape {}", name(op), axis, in.shape().str());
  if (in.dim(a) == 0)
    throw ShapeError("[{}] axis {} of a tensor of shape {} is empty", name(op), axis, in.shape().str());
  const Type type = infer(op, x, a);
  const RowShape s{in.shape().sub(0, a).numel(), in.dim(a), in.shape().sub(a + 1, in.rank()).numel()};
  Shape shape = in.shape();
  if (traits(op).reduces) {
    shape = in.shape().sub(0, a);
    for (int i = a + 1; i < in.rank(); ++i) shape.push_back(in.dim(i));
  }
  const Tensor y = x.tape().empty(shape, in.dtype());
  kernel(op, in.dtype(), in.backend()).forward(s, in.raw(), y.raw());
  return x.tape().record(name(op), y, type, {x}, [op, s](Backward& b) {
    const GradSlot g = b.grad(0);
    const Tensor& gy = b.cotangent();
    // Sums read no saved value at all.
    const void* out = traits(op).reduces ? gy.raw() : b.output().raw();
    const void* in = traits(op).from_output ? out : b.input(0).raw();
    kernel(op, gy.dtype(), gy.backend()).vjp(s, in, out, gy.raw(), g.tensor.raw(), g.beta != 0);
  });
}

}  // namespace weft
