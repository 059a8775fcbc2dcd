// The cases of ops/act.h for the op runner.

#include <memory>

#include "weft/ops/act.h"

namespace weft {
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
