#include "weft/ops/act.h"

#include <complex>
#include <span>
#include <type_traits>

#include "weft/core/gemm.h"
#include "weft/ops/act_bodies.h"
#include "weft/ops/add_rows.h"

namespace weft {
namespace {

/// How an element acts along one axis: its numbers lie where the tensor lies.
struct AxisAction {
  AxisView view;
  const std::int32_t* order = nullptr;                             ///< null: every place stays
  const double* scale = nullptr;                                   ///< the product of all characters; null: 1
  const double* matrix = nullptr;                                  ///< the inverse for a covector; null for others
  const double *re = nullptr, *im = nullptr, *minus_im = nullptr;  ///< of pairs; null for others
  bool covector = false, adjacent = false, per_head = false;
};

/// An element on the moved axes of one tensor.
struct ElementAction {
  int count = 0;
  AxisAction axis[Shape::max_rank];
};

AxisView view(const Space& space, int tensor, int axis, const Shape& shape) {
  const int at = 2 + axis, head = space.head_of(tensor, axis);
  AxisView v{shape.sub(0, at).numel(), shape[at], shape.sub(at + 1, shape.rank()).numel(), 1, 1};
  if (head >= 0) {
    v.copies = shape[2 + head];
    v.head_stride = shape.sub(3 + head, shape.rank()).numel();
  }
  return v;
}

/// A copy in the arena's memory, where the tensor lies; null for none.
template <class T>
const T* numbers(Arena& arena, std::span<const T> values) {
  if (values.empty()) return nullptr;
  T* copy = arena.allocate_array<T>(values.size());
  if (arena.backend())
    arena.backend()->upload(copy, values.data(), values.size() * sizeof(T));
  else
    std::copy(values.begin(), values.end(), copy);
  return copy;
}

/// The element's own numbers, which on the CPU lie where they are; null for none.
template <class T>
const T* kept(Arena& arena, const std::vector<T>& of_element) {
  return arena.backend() || of_element.empty() ? numbers<T>(arena, of_element) : of_element.data();
}

/// [copies, size]: the product of the characters' scales, each to its degree; empty where there are none.
std::vector<double> scales_of(const Element& g, const SpaceAxis& axis, std::int64_t copies) {
  std::vector<double> all;
  for (const auto& [factor, degree] : g.space().characters(axis)) {
    const ElementPart& part = g.part(factor);
    if (part.scale.empty() || degree == 0) continue;
    all.resize(static_cast<std::size_t>(copies * part.size), 1.0);
    for (std::size_t i = 0; i < all.size(); ++i) {
      const double s = part.scale[i % part.scale.size()];  // one copy serves all heads
      for (int k = 0; k < std::abs(degree); ++k) all[i] = degree > 0 ? all[i] * s : all[i] / s;
    }
  }
  return all;
}

/// Of pairs: z, for a covector 1 / conj(z).
void set_pairs(AxisAction& action, const ElementPart& part, Arena& arena) {
  std::vector<double> re, im, minus;
  for (std::size_t p = 0; p < part.re.size(); ++p) {
    std::complex<double> z(part.re[p], part.im[p]);
    if (action.covector) z = 1. / std::conj(z);
    re.push_back(z.real());
    im.push_back(z.imag());
    minus.push_back(-z.imag());
  }
  action.re = numbers<double>(arena, re);
  action.im = numbers<double>(arena, im);
  action.minus_im = numbers<double>(arena, minus);
}

ElementAction action_on(const Element& g, int tensor, const Shape& shape, Arena& arena) {
  const Space& space = g.space();
  const auto& axes = space.tensors()[static_cast<std::size_t>(tensor)].axes;
  ElementAction action;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const ElementPart& root = g.part(axes[i].factor);
    AxisAction a{.view = view(space, tensor, static_cast<int>(i), shape),
                 .covector = axes[i].role == AxisRole::covector};
    a.per_head = space.head_of(tensor, static_cast<int>(i)) >= 0;
    a.adjacent = root.kind->mixing == Mixing::adjacent;
    a.order = kept(arena, root.order);
    a.scale = numbers<double>(arena, scales_of(g, axes[i], a.view.copies));
    a.matrix = kept(arena, a.covector ? root.inverse : root.matrix);
    if (!root.re.empty()) set_pairs(a, root, arena);
    if (a.order || a.scale || a.matrix || a.re) action.axis[action.count++] = a;
  }
  return action;
}

constexpr std::int64_t large = 32;  // matrices from this size on are worth a product's packing

/// As ActMatrix on the CPU, for large matrices: in products, of as many fibres as one copy of the matrix moves.
void multiply(const AxisView& v, const double* matrix, bool flip, const double* x, double* y) {
  const std::int64_t n = v.size, row = flip ? 1 : n, column = flip ? n : 1, fibre = n * v.inner;
  const auto of_head = [&](std::int64_t k) { return matrix + k % v.copies * n * n; };
  if (v.copies > 1 && v.head_stride < fibre) {  // heads stand behind the axis
    for (std::int64_t at = 0; at < v.outer * fibre; at += fibre)
      for (std::int64_t j = 0; j < v.inner; j += v.head_stride)
        gemm<double>({1, n, v.head_stride, n}, {of_head(j / v.head_stride), 0, row, column},
                     {x + at + j, 0, v.inner, 1}, 0., y + at + j, 0, v.inner);
    return;
  }
  const std::int64_t run = v.copies > 1 ? v.head_stride / fibre : v.outer;
  if (v.inner == 1 && run == 1) {  // heads just before the axis, which is the last
    for (std::int64_t k = 0; k < v.copies; ++k)
      gemm<double>({1, v.outer / v.copies, n, n}, {x + k * n, 0, v.copies * n, 1}, {of_head(k), 0, column, row}, 0.,
                   y + k * n, 0, v.copies * n);
    return;
  }
  for (std::int64_t k = 0; k < v.outer / run; ++k) {
    const double* const from = x + k * run * fibre;
    double* const to = y + k * run * fibre;
    if (v.inner == 1)
      gemm<double>({1, run, n, n}, {from, 0, n, 1}, {of_head(k), 0, column, row}, 0., to, 0, n);
    else
      gemm<double>({run, n, v.inner, n}, {of_head(k), 0, row, column}, {from, fibre, v.inner, 1}, 0., to, fibre,
                   v.inner);
  }
}

/// y = M x along one axis; M = g or g^{-T} by role, transposed for the vjp.
template <class T>
void act_axis(Backend* backend, const AxisAction& a, bool transpose, const T* x, T* y) {
  const AxisView& v = a.view;
  const std::int64_t fibres = v.outer * v.inner, grain = 1 + 8192 / (v.size + 1);
  // g^{-T}[i][j] = inverse[j][i]; a transposed action exchanges i and j once more.
  if constexpr (std::is_same_v<T, double>)
    if (a.matrix && !backend && v.size >= large) return multiply(v, a.matrix, a.covector != transpose, x, y);
  if (a.matrix)
    loop(backend, fibres, 1 + 8192 / (v.size * v.size + 1), ActMatrix<T>{v, a.matrix, a.covector != transpose, x, y});
  else if (a.re)
    loop(backend, fibres, grain, ActPairs<T>{v, a.re, transpose ? a.minus_im : a.im, a.adjacent, x, y});
  else
    loop(backend, fibres, grain, ActPlaces<T>{v, a.order, a.scale, transpose, x, y});
}

/// out = g in (or g^T in), through one scratch buffer; on device or CPU. `in`, `out` and `scratch` are different memory
/// of one size; an action on one axis uses no scratch. Axes per head act first; for the transpose last.
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
  // On the CPU orders and matrices lie in the element's parts.
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
  Arena parts(x.backend() ? x.backend()->memory() : host_memory());
  const ElementAction action = action_on(g, tensor, x.shape(), parts);
  const Tensor y = Tensor::zeros(x.shape(), x.dtype(), x.backend());
  apply<double>(action, false, x, y, action.count < 2 ? y : Tensor::zeros(x.shape(), x.dtype(), x.backend()));
  return y;
}

Features act(const Element& g, const Features& x) {
  const std::span<Var> y = x.tape().variables(x.vars().size());
  for (std::size_t t = 0; t < y.size(); ++t) y[t] = act(g, static_cast<int>(t), x.vars()[t]);
  return {x.space(), y};
}

std::vector<Tensor> act(const Element& g, std::span<const Tensor> x) {
  std::vector<Tensor> y;
  for (std::size_t t = 0; t < x.size(); ++t) y.push_back(act(g, static_cast<int>(t), x[t]));
  return y;
}

}  // namespace weft
