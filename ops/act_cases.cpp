// The cases of ops/act.h for the op runner.

#include <cmath>
#include <memory>

#include "weft/ops/act.h"
#include "weft/ops/cases.h"

namespace weft {
namespace {

/// Entry (i, j) of what copy `head` of an element does to an axis, from the definition in groups/element.h.
double entry(const Element& g, const SpaceAxis& axis, std::int64_t head, std::int64_t i, std::int64_t j) {
  const ElementPart& root = g.part(axis.factor);
  const bool covector = axis.role == AxisRole::covector;
  const std::int64_t n = root.size;
  const auto at = [&](std::int64_t r, std::int64_t c) { return static_cast<std::size_t>((head * n + r) * n + c); };
  if (!root.matrix.empty()) return covector ? root.inverse[at(j, i)] : root.matrix[at(i, j)];
  if (!root.re.empty()) {
    const bool adjacent = root.kind->mixing == Mixing::adjacent;
    const auto pair = [&](std::int64_t k) { return adjacent ? k / 2 : k % (n / 2); };
    const auto half = [&](std::int64_t k) { return adjacent ? k % 2 : k / (n / 2); };
    if (pair(i) != pair(j)) return 0;
    const auto p = static_cast<std::size_t>(head * (n / 2) + pair(i));
    const double x = root.re[p], y = root.im[p], square = covector ? x * x + y * y : 1;
    return (half(i) == half(j) ? x : half(i) ? y : -y) / square;
  }
  // One copy serves all heads.
  const auto k = static_cast<std::size_t>(head * n + i);
  if ((root.order.empty() ? i : root.order[k % root.order.size()]) != j) return 0;
  double s = 1;
  for (const auto& [factor, degree] : g.space().characters(axis))
    if (const auto& scale = g.part(factor).scale; !scale.empty()) s *= std::pow(scale[k % scale.size()], degree);
  return s;
}

/// g x entry by entry.
std::vector<double> reference(const Element& g, int tensor, const Tensor& x) {
  const Space& space = g.space();
  const auto& axes = space.tensors()[static_cast<std::size_t>(tensor)].axes;
  std::vector<double> in(x.span<double>().begin(), x.span<double>().end()), out;
  for (const bool per_head : {true, false})
    for (int a = 0; a < std::ssize(axes); ++a) {
      const int head_axis = space.head_of(tensor, a);
      if ((head_axis >= 0) != per_head) continue;
      const SpaceAxis& axis = axes[static_cast<std::size_t>(a)];
      const int dim = 2 + a;
      const std::int64_t n = x.dim(dim), inner = x.shape().sub(dim + 1, x.rank()).numel(),
                         head_inner = head_axis < 0 ? 1 : x.shape().sub(head_axis + 3, x.rank()).numel(),
                         heads = head_axis < 0 ? 1 : x.dim(2 + head_axis);
      out.assign(in.size(), 0.0);
      for (std::size_t o = 0; o < in.size(); ++o) {
        const auto flat = static_cast<std::int64_t>(o);
        const std::int64_t i = flat / inner % n, head = flat / head_inner % heads;
        for (std::int64_t j = 0; j < n; ++j)
          out[o] += entry(g, axis, head, i, j) * in[static_cast<std::size_t>(flat + (j - i) * inner)];
      }
      in = out;
    }
  return in;
}

}  // namespace

std::vector<OpCase> act_cases() {
  constexpr const char* text =
      "c: fixed(3); h: permutation(3); q: GL(2) per h; n: positive_monomial(2) per h; r: permutation(3) per h; s: "
      "sign_monomial(4); p: permutation(4); G: GL(3); m: positive_monomial(4); a: monomial(3); O: orthogonal(3); R: "
      "rotary(4) per h; A: rotary_adjacent(4); t: monomial(4) along s; u: monomial(3) per p along c; k: "
      "positive_monomial(2) "
      "along n; b: fixed(2); g: GL(2) per b "
      "C[c] P[p, c*] M[m, p] N[m*, m] S[s, m*] L[G, G*] Q[h, c, q] K[q*, h, q] E[c, n*, h, r] "
      "D[a^2, a^-3] Z[a^0, m^2] H[O, O*] Y[c, R, h] X[h, R*] B[A, A*] T[s&t, t*] U[p, u, c&u*] J[h, n&k*, k^2] "
      "F[g, b, g*]";
  std::vector<OpCase> cases;
  const Space space = Space::parse(text);
  for (int i = 0; i < static_cast<int>(space.tensors().size()); ++i) {
    // The element lives as long as its case.
    const auto g = std::make_shared<const Element>(
        Element::random(space, RandomKey(21, "act_cases").at(static_cast<std::uint64_t>(i))));
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
