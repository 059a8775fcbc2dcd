#include "weft/ops/act.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "weft/core/parallel.h"

namespace weft {
namespace {

/// One axis of a tensor [outer, size, inner], with the copy (head) that each row belongs to: (row offset / head_stride)
/// % copies.
struct AxisView {
  std::int64_t outer, size, inner, head_stride, copies;
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

/// y = M x along one axis; M = g or g^{-T} by role, transposed for the vjp.
template <class T>
void act_axis(const ElementPart& part, Role role, bool transpose, const AxisView& v, const T* x, T* y) {
  const bool covector = role == Role::covector;
  const std::int64_t n = v.size;
  const std::int64_t work = n * v.inner * (part.kind == Kind::GL ? n : 1);
  parallel_blocks(v.outer, 1 + 8192 / (work + 1), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t o = begin; o < end; ++o)
      for (std::int64_t k = 0; k < v.inner; ++k) {
        const std::int64_t base = o * n * v.inner + k, head = v.copies > 1 ? base / v.head_stride % v.copies : 0;
        if (part.kind == Kind::GL) {
          // g^{-T}[i][j] = inverse[j][i]; a transposed action exchanges i and j once more.
          const double* m = (covector ? part.inverse : part.matrix).data() + head * n * n;
          const bool flip = covector != transpose;
          for (std::int64_t i = 0; i < n; ++i) {
            double sum = 0;
            for (std::int64_t j = 0; j < n; ++j)
              sum += m[flip ? j * n + i : i * n + j] * static_cast<double>(x[base + j * v.inner]);
            y[base + i * v.inner] = static_cast<T>(sum);
          }
          continue;
        }
        const std::int32_t* order = part.order.data() + head * n;
        const double* scale = part.scale.empty() ? nullptr : part.scale.data() + head * n;
        for (std::int64_t i = 0; i < n; ++i) {
          const double s = scale ? (covector ? 1 / scale[i] : scale[i]) : 1;
          const std::int64_t to = transpose ? order[i] : i, from = transpose ? i : order[i];
          y[base + to * v.inner] = static_cast<T>(s * static_cast<double>(x[base + from * v.inner]));
        }
      }
  });
}

/// Calls f(axis) in the order in which the axes act: per head first; for the transpose the other way round.
template <class F>
void each_axis(const Space& space, int tensor, bool transpose, const F& f) {
  const auto& axes = space.tensors()[static_cast<std::size_t>(tensor)].axes;
  for (int pass = 0; pass < 2; ++pass)
    for (std::size_t i = 0; i < axes.size(); ++i) {
      const Factor& factor = space.factors()[static_cast<std::size_t>(axes[i].factor)];
      if (factor.kind != Kind::fixed && factor.per.empty() == ((pass == 1) != transpose)) f(static_cast<int>(i));
    }
}

/// out = g in (or g^T in), through one scratch buffer. `in`, `out` and `scratch` are different memory of one size.
template <class T>
void apply(const Element& g, int tensor, const Shape& shape, bool transpose, const T* in, T* out, T* scratch) {
  const Space& space = g.space();
  int moved = 0;
  each_axis(space, tensor, transpose, [&](int) { ++moved; });
  if (moved == 0) std::copy_n(in, shape.numel(), out);
  const T* from = in;
  each_axis(space, tensor, transpose, [&](int axis) {
    --moved;
    T* to = moved % 2 == 0 ? out : scratch;  // the last one lands in `out`
    const SpaceAxis& a = space.tensors()[static_cast<std::size_t>(tensor)].axes[static_cast<std::size_t>(axis)];
    act_axis<T>(g.part(a.factor), a.role, transpose, view(space, tensor, axis, shape), from, to);
    from = to;
  });
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
  const Tensor y = tape.empty(x.shape(), x.dtype()), scratch = tape.empty(x.shape(), x.dtype());
  with_float(x.dtype(), "act", [&](auto t) {
    using T = decltype(t);
    apply<T>(g, tensor, y.shape(), false, x.value().data<T>(), y.data<T>(), scratch.data<T>());
  });
  return tape.record("act", y, x.type(), {x}, [g = &g, tensor](Backward& b) {
    const GradSlot slot = b.grad(0);
    const Tensor& gy = b.cotangent();
    with_float(gy.dtype(), "act", [&](auto t) {
      using T = decltype(t);
      const Tensor moved = Tensor::empty(b.arena(), gy.shape(), gy.dtype()),
                   scratch = Tensor::empty(b.arena(), gy.shape(), gy.dtype());
      apply<T>(*g, tensor, gy.shape(), true, gy.data<T>(), moved.data<T>(), scratch.data<T>());
      T* out = slot.tensor.data<T>();
      const T* in = moved.data<T>();
      for (std::int64_t i = 0; i < gy.numel(); ++i) out[i] = slot.beta != 0 ? out[i] + in[i] : in[i];
    });
  });
}

Tensor act(const Element& g, int tensor, const Tensor& x) {
  check(g, tensor, x.shape());
  if (x.dtype() == DType::f32) return act(g, tensor, x.to(DType::f64)).to(DType::f32);
  const Tensor y = Tensor::zeros(x.shape(), x.dtype()), scratch = Tensor::zeros(x.shape(), x.dtype());
  apply<double>(g, tensor, x.shape(), false, x.data<double>(), y.data<double>(), scratch.data<double>());
  return y;
}

namespace {

/// g x entry by entry: the dense matrix of every axis, from the definition in groups/element.h.
std::vector<double> reference(const Element& g, int tensor, const Tensor& x) {
  const Space& space = g.space();
  const auto& axes = space.tensors()[static_cast<std::size_t>(tensor)].axes;
  std::vector<double> in(x.span<double>().begin(), x.span<double>().end()), out;
  for (const bool per_head : {true, false})
    for (std::size_t a = 0; a < axes.size(); ++a) {
      const Factor& f = space.factors()[static_cast<std::size_t>(axes[a].factor)];
      if (f.kind == Kind::fixed || f.per.empty() == per_head) continue;
      const ElementPart& part = g.part(axes[a].factor);
      int head_dim = -1;
      for (std::size_t b = 0; b < axes.size(); ++b)
        if (space.factors()[static_cast<std::size_t>(axes[b].factor)].name == f.per) head_dim = 2 + static_cast<int>(b);
      const int dim = 2 + static_cast<int>(a);
      const std::int64_t n = f.size, inner = x.shape().sub(dim + 1, x.rank()).numel();
      const std::int64_t head_inner = head_dim < 0 ? 1 : x.shape().sub(head_dim + 1, x.rank()).numel();
      auto matrix = [&](std::int64_t head, std::int64_t i, std::int64_t j) {
        const auto at = [&](std::int64_t r, std::int64_t c) {
          return static_cast<std::size_t>((head * n + r) * n + c);
        };
        if (f.kind == Kind::GL) return axes[a].role == Role::vector ? part.matrix[at(i, j)] : part.inverse[at(j, i)];
        const auto k = static_cast<std::size_t>(head * n + i);
        if (part.order[k] != j) return 0.0;
        const double s = part.scale.empty() ? 1 : part.scale[k];
        return axes[a].role == Role::vector ? s : 1 / s;
      };
      out.assign(in.size(), 0.0);
      for (std::size_t o = 0; o < in.size(); ++o) {
        const auto flat = static_cast<std::int64_t>(o);
        const std::int64_t i = flat / inner % n, head = head_dim < 0 ? 0 : flat / head_inner % part.copies;
        for (std::int64_t j = 0; j < n; ++j)
          out[o] += matrix(head, i, j) * in[static_cast<std::size_t>(flat + (j - i) * inner)];
      }
      in = out;
    }
  return in;
}

}  // namespace

std::vector<OpCase> act_cases() {
  constexpr const char* text =
      "c: fixed(3); h: permutation(3); q: GL(2) per h; n: positive_monomial(2) per h; r: permutation(3) per h; s: "
      "sign_monomial(4); p: permutation(4); G: GL(3); "
      "m: positive_monomial(4) C[c] P[p, c*] M[m, p] N[m*, m] S[s, m*] L[G, G*] Q[h, c, q] K[q*, h, q] E[c, n*, h, r]";
  std::vector<OpCase> cases;
  const Space space = Space::parse(text);
  for (int i = 0; i < static_cast<int>(space.tensors().size()); ++i) {
    // The element lives as long as its case.
    const auto g =
        std::make_shared<const Element>(Element::random(space, Key(21, "act_cases").at(static_cast<std::uint64_t>(i))));
    OpCase c;
    c.name = "act on " + space.tensors()[static_cast<std::size_t>(i)].name;
    c.shapes = {space.feature_shape(i, 2, 2)};
    c.run = [g, i, space](Tape& tape, std::span<const Var> x) {
      return act(*g, i, x[0].requires_grad() ? x[0] : tape.constant(x[0].value(), space.type(i)));
    };
    c.reference = [g, i](std::span<const Tensor> x) { return reference(*g, i, x[0]); };
    cases.push_back(c);
  }
  return cases;
}

}  // namespace weft
