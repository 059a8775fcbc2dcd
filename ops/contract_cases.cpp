// The cases of ops/contract.h for the op runner.

#include <algorithm>
#include <cmath>

#include "weft/ops/cases.h"
#include "weft/ops/contract.h"
#include "weft/ops/contract_plan.h"

namespace weft {
namespace {

/// Σ over every letter that the result lacks, letter by letter: no product, no stride.
std::vector<double> reference(std::string_view text, std::span<const Tensor> x, std::optional<UnaryOp> activation) {
  ContractPlan plan = parse_contraction(text, x.size() == 3);
  for (std::size_t v = 0; v < x.size(); ++v)
    for (int i = 0; i < plan.part[v].count; ++i)
      plan.size[static_cast<std::size_t>(plan.part[v].label[static_cast<std::size_t>(i)])] = x[v].dim(i);
  std::array<std::int64_t, einsum_labels> at{};
  auto offset = [&](const Letters& p) {
    std::int64_t o = 0;
    for (int l : p.span()) o = o * plan.size[static_cast<std::size_t>(l)] + at[static_cast<std::size_t>(l)];
    return o;
  };
  int letters = 0;
  for (const Letters& p : plan.part)
    for (int l : p.span()) letters = std::max(letters, l + 1);
  std::int64_t all = 1, results = 1;
  for (int l = 0; l < letters; ++l) all *= plan.size[static_cast<std::size_t>(l)];
  for (int l : plan.part[y_part].span()) results *= plan.size[static_cast<std::size_t>(l)];
  std::vector<double> y(static_cast<std::size_t>(results), 0.0);
  std::vector<bool> started(y.size(), false);
  for (std::int64_t i = 0; i < all; ++i) {
    std::int64_t rest = i;
    for (int l = 0; l < letters; ++l) {
      at[static_cast<std::size_t>(l)] = rest % plan.size[static_cast<std::size_t>(l)];
      rest /= plan.size[static_cast<std::size_t>(l)];
    }
    const auto o = static_cast<std::size_t>(offset(plan.part[y_part]));
    if (x.size() == 3 && !started[o]) y[o] = x[2].data<double>()[offset(plan.part[bias_part])];
    started[o] = true;
    y[o] += x[0].data<double>()[offset(plan.part[a_part])] * x[1].data<double>()[offset(plan.part[b_part])];
  }
  if (activation)
    for (double& v : y) v = *activation == UnaryOp::Tanh ? std::tanh(v) : 1 / (1 + std::exp(-v));
  return y;
}

OpCase plain_case(std::string text, std::vector<Shape> shapes, std::optional<UnaryOp> activation = {}) {
  OpCase c;
  c.name = "contract " + text;
  c.shapes = std::move(shapes);
  c.run = [text, activation](Tape&, std::span<const Var> x) {
    return x.size() == 3 ? contract(text, x[0], x[1], x[2], {.activation = activation})
                         : contract(text, x[0], x[1], {.activation = activation});
  };
  c.reference = [text, activation](std::span<const Tensor> x) { return reference(text, x, activation); };
  return c;
}

OpCase typed_case(std::string space, std::string text, std::vector<std::string> tensors, std::string result,
                  std::string refusal = {}) {
  OpCase c = plain_case(std::move(text), {});
  c.space = std::move(space);
  c.tensors = std::move(tensors);
  c.result = std::move(result);
  c.refusal = std::move(refusal);
  return c;
}

}  // namespace

std::vector<OpCase> contract_cases() {
  constexpr const char* mlp =
      "in: fixed(3); h, k: positive_monomial(4); s: sign_monomial(4) W[h, in*] V[k, h*] b[h] c[k] U[k, in*] R[h, h*] "
      "S[s] z[in] D[h^2, in*] E[h^-2] F[h*]";
  constexpr const char* heads =
      "h: permutation(2); q: GL(2) per h; m: fixed(3); s: permutation(4) Q[h, m, q] K[h, m, q*] P[m] R[s, m] S[s] H[h]";
  std::vector<OpCase> cases{
      plain_case("bi,oi->bo", {{3, 5}, {4, 5}}),
      plain_case("bi,oi+o->bo", {{3, 5}, {4, 5}, {4}}),
      plain_case("bi,oi+o->bo", {{3, 5}, {4, 5}, {4}}, UnaryOp::Tanh),
      plain_case("bi,oi+o->ob", {{3, 5}, {4, 5}, {4}}, UnaryOp::Sigmoid),
      plain_case("nbi,noi+no->nbo", {{2, 3, 5}, {2, 4, 5}, {2, 4}}, UnaryOp::Tanh),
      plain_case("nbi,nbio+no->nbo", {{2, 3, 5}, {2, 3, 5, 4}, {2, 4}}),
      plain_case("acb,ab+bc->bac", {{2, 3, 4}, {2, 4}, {4, 3}}),
      plain_case("bi,opi+op->bop", {{3, 5}, {4, 2, 5}, {4, 2}}, UnaryOp::Sigmoid),
      plain_case("bi,noi->nbo", {{3, 5}, {2, 4, 5}}),
      plain_case("nbi,noi->nob", {{2, 3, 5}, {2, 4, 5}}),
      plain_case("bn,n+n->bn", {{3, 5}, {5}, {5}}),
      plain_case("ij,jk->ik", {{1, 1}, {1, 1}}),
      plain_case("i,j->ij", {{3}, {4}}),
      plain_case("i,i->i", {{5}, {5}}),
      plain_case("ij,kl->il", {{3, 2}, {2, 4}}),
      plain_case("ij,jk->ik", {{2, 0}, {0, 3}}),
      plain_case("abij,abjk->aibk", {{2, 3, 4, 5}, {2, 3, 5, 2}}),
      plain_case("bij,ej->ebi", {{2, 3, 17}, {9, 17}}),
      plain_case("bdhpk,bdhqk->bdpq", {{2, 2, 2, 3, 2}, {2, 2, 2, 3, 2}}),
      typed_case(mlp, "bdkh,bdh->bdk", {"V", "b"}, "c"),
      typed_case(mlp, "bdkh,bdhi->bdki", {"V", "W"}, "U"),
      typed_case(mlp, "bdhi,bdi->bdh", {"W", "z"}, "b"),
      typed_case(mlp, "bds,bds->bd", {"S", "S"}, ""),
      typed_case(heads, "bdhpk,bdhqk->bdpq", {"Q", "K"}, ""),
      typed_case(heads, "bdsm,bdm->bds", {"R", "P"}, "S"),
      typed_case(heads, "bdsm,bds->bdm", {"R", "S"}, ""),
      typed_case(heads, "bdsm,bds->bds", {"R", "S"}, "S"),
      typed_case(mlp, "bdh,bdh->bd", {"b", "b"}, "",
                 "[contract] tensor 'b', axis 0 'h' (positive_monomial(4)): contracted with axis 0 'h' of tensor 'b' "
                 "in the same role; allowed: a vector with a covector"),
      typed_case(mlp, "bdkh,bdk->bdh", {"V", "b"}, "b",
                 "[contract] tensor 'V', axis 0 'k' (positive_monomial(4)): contracted with axis 0 'h' "
                 "(positive_monomial(4)) of tensor 'b'; allowed: the same factor"),
      typed_case(mlp, "bdhi,bdh->bdhi", {"W", "b"}, "D"),
      typed_case(mlp, "bdhi,bdh->bdi", {"D", "E"}, "z"),
      typed_case(mlp, "bdh,bdh->bdh", {"E", "b"}, "F"),
      typed_case(
          mlp, "bdh,bdh->bd", {"E", "b"}, "",
          "[contract] tensor 'E', axis 0 'h^-2' (positive_monomial(4)): contracted with axis 0 'h' of tensor 'b'; "
          "allowed: degrees that cancel"),
      typed_case(
          heads, "bdhpk,bdhpk->bdhpk", {"Q", "Q"}, "Q",
          "[contract] tensor 'Q', axis 2 'q' (GL(2) per h): contract does not commute with GL; contract the axis "
          "first"),
      typed_case(mlp, "bdhi,bdz->bdz", {"W", "z"}, "z",
                 "[contract] tensor 'W', axis 0 'h' (positive_monomial(4)): contract adds entries with different "
                 "scales; contract with a covector of the same factor"),
      typed_case(heads, "bdhpk,bdgqk->bdpq", {"Q", "K"}, "",
                 "[contract] tensor 'Q', axis 0 'h' (permutation(2)): axis 'q' is per h, which contract would forget; "
                 "contract it first"),
      typed_case(heads, "bdhpk,bdh->bdpk", {"Q", "H"}, "",
                 "[contract] axis 'q' (GL(2) per h) of the result: its head axis 'h' was summed; keep it, or sum this "
                 "axis too"),
  };
  return cases;
}

}  // namespace weft
