#include "weft/ops/act.h"

#include <span>

#include "weft/ops/act_bodies.h"
#include "weft/ops/add_rows.h"

namespace weft {
namespace {

/// How an element acts along one axis: its part's numbers lie where the tensor lies.
struct AxisAction {
  AxisView view;
  const std::int32_t* order;
  const double* scale;   ///< null: a plain permutation
  const double* matrix;  ///< of GL, the inverse for a covector; null for others
  bool covector, per_head;
};

/// An element on the moved axes of one tensor.
struct ElementAction {
  int count = 0;
  AxisAction axis[Shape::max_rank];
};

AxisView view(const Space& space, int tensor, int axis, const Shape& shape) {
  const auto& spec = space.tensors()[static_cast<std::size_t>(tensor)];
  const Factor& factor = space.factors()[static_cast<std::size_t>(spec.axes[static_cast<std::size_t>(axis)].factor)];
  AxisView v{1, factor.size, 1, 1, 1};
  const int at = 2 + axis;
  v.outer = shape.sub(0, at).numel();
  v.inner = shape.sub(at + 1, shape.rank()).numel();
  for (std::size_t i = 0; i < spec.axes.size(); ++i)
    if (space.factors()[static_cast<std::size_t>(spec.axes[i].factor)].name == factor.per) {
      v.copies = shape[2 + static_cast<int>(i)];
      v.head_stride = shape.sub(3 + static_cast<int>(i), shape.rank()).numel();
    }
  return v;
}

/// The numbers themselves on the CPU, a copy in the arena's memory on a device; null for none.
template <class T>
const T* numbers(Arena& arena, const std::vector<T>& values) {
  if (values.empty()) return nullptr;
  if (!arena.backend()) return values.data();
  T* copy = arena.allocate_array<T>(values.size());
  arena.backend()->upload(copy, values.data(), values.size() * sizeof(T));
  return copy;
}

ElementAction action_on(const Element& g, int tensor, const Shape& shape, Arena& arena) {
  const Space& space = g.space();
  const auto& axes = space.tensors()[static_cast<std::size_t>(tensor)].axes;
  ElementAction action;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const Factor& factor = space.factors()[static_cast<std::size_t>(axes[i].factor)];
    if (factor.kind == Kind::fixed) continue;
    const ElementPart& part = g.part(axes[i].factor);
    const bool covector = axes[i].role == Role::covector;
    action.axis[action.count++] = {view(space, tensor, static_cast<int>(i), shape),
                                   numbers(arena, part.order),
                                   numbers(arena, part.scale),
                                   numbers(arena, covector ? part.inverse : part.matrix),
                                   covector,
                                   !factor.per.empty()};
  }
  return action;
}

/// y = M x along one axis; M = g or g^{-T} by role, transposed for the vjp.
template <class T>
void act_axis(Backend* backend, const AxisAction& a, bool transpose, const T* x, T* y) {
  const AxisView& v = a.view;
  const std::int64_t fibres = v.outer * v.inner;
  // g^{-T}[i][j] = inverse[j][i]; a transposed action exchanges i and j once more.
  if (a.matrix)
    loop(backend, fibres, 1 + 8192 / (v.size * v.size + 1), ActMatrix<T>{v, a.matrix, a.covector != transpose, x, y});
  else
    loop(backend, fibres, 1 + 8192 / (v.size + 1), ActPermuted<T>{v, a.order, a.scale, a.covector, transpose, x, y});
}

/// out = g in (or g^T in), through one scratch buffer; on device or CPU. `in`, `out` and `scratch` are different memory
/// of one size. Axes per head act first; for the transpose last.
template <class T>
void apply(const ElementAction& g, bool transpose, const Tensor& in, const Tensor& out, const Tensor& scratch) {
  if (g.count == 0) return out.copy_from(in);
  const T* from = in.address<T>();
  int left = g.count;
  for (const bool per_head : {!transpose, transpose})
    for (const AxisAction& axis : std::span(g.axis, static_cast<std::size_t>(g.count))) {
      if (axis.per_head != per_head) continue;
      T* to = (--left % 2 == 0 ? out : scratch).address<T>();  // the last one lands in `out`
      act_axis<T>(in.backend(), axis, transpose, from, to);
      from = to;
    }
}

void check(const Element& g, int tensor, const Shape& shape) {
  const Space& space = g.space();
  const auto& spec = space.tensors()[static_cast<std::size_t>(tensor)];
  const Shape axes = space.axes_shape(tensor);
  if (shape.rank() != 2 + axes.rank() || !(shape.sub(2, shape.rank()) == axes))
    throw ShapeError("[act] tensor '{}': got shape {}; allowed: [batch, channels] and then {}", spec.name, shape.str(),
                     axes.str());
}

}  // namespace

Var act(const Element& g, int tensor, const Var& x) {
  check(g, tensor, x.shape());
  Tape& tape = x.tape();
  const ElementAction action = action_on(g, tensor, x.shape(), tape.arena());
  const Tensor y = tape.empty(x.shape(), x.dtype()), scratch = tape.empty(x.shape(), x.dtype());
  with_float(x.dtype(), "act", [&](auto t) { apply<decltype(t)>(action, false, x.value(), y, scratch); });
  // On the CPU the action points into the element's parts.
  return tape.record("act", y, x.type(), {x}, [action, parts = g.shared_parts()](Backward& b) {
    const GradSlot slot = b.grad(0);
    const Tensor& gy = b.cotangent();
    with_float(gy.dtype(), "act", [&](auto t) {
      using T = decltype(t);
      const Tensor moved = Tensor::empty(b.arena(), gy.shape(), gy.dtype()),
                   scratch = Tensor::empty(b.arena(), gy.shape(), gy.dtype());
      apply<T>(action, true, gy, moved, scratch);
      const std::int64_t n = gy.numel();
      add_rows<T>(gy.backend(), 1, {slot.tensor.address<T>(), n, moved.address<T>(), n, n, slot.beta != 0});
    });
  });
}

Tensor act(const Element& g, int tensor, const Tensor& x) {
  check(g, tensor, x.shape());
  if (x.dtype() == DType::f32) return act(g, tensor, x.to(DType::f64)).to(DType::f32);
  const Tensor y = Tensor::zeros(x.shape(), x.dtype(), x.backend()),
               scratch = Tensor::zeros(x.shape(), x.dtype(), x.backend());
  Arena parts(x.backend() ? x.backend()->memory() : host_memory());
  apply<double>(action_on(g, tensor, x.shape(), parts), false, x, y, scratch);
  return y;
}

}  // namespace weft
