// Derived linear layers are complete (spec 7.4): as many independent terms as there are equivariant maps.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "weft/groups/derive.h"
#include "weft/groups/term.h"
#include "weft/tests/basis_solver.h"

using namespace weft;
using namespace weft::testing;

namespace {

/// Every pair of tensors, and the constants: as many terms as there are maps, all independent.
void check_basis(const Space& in, const Space& out, const DeriveOptions& options = {}) {
  const std::string terms = derive_linear(in, out, options);
  const std::vector<Element> elements = generators(in);
  std::int64_t sum = 0;
  for (int target = 0; target < static_cast<int>(out.tensors().size()); ++target)
    for (int source = -1; source < static_cast<int>(in.tensors().size()); ++source) {
      const DerivedMaps maps = derived_maps(terms, in, source, out, target, elements);
      INFO(in.str(), ": ", source < 0 ? "1" : in.tensors()[static_cast<std::size_t>(source)].name, " -> ",
           out.tensors()[static_cast<std::size_t>(target)].name);
      CHECK(maps.error < 1e-12);
      CHECK(maps.count == equivariant_dimension(in, source, out, target, elements));
      CHECK(maps.rank == maps.count);
      sum += maps.count;
    }
  CHECK(sum == TermList(in, out, terms).parameter_count(1, 1));
}

void check_basis(const char* text) {
  const Space space = Space::parse(text);
  check_basis(space, space);
}

/// Name and shape of every parameter of a list, for e = 7 and d = 5.
std::string shapes(const TermList& list) {
  std::string text;
  for (const TermParameter& p : list.parameters())
    text += fmt::format("{}{}{}", text.empty() ? "" : " ", p.name, p.shape(7, 5).str());
  return text;
}

}  // namespace

TEST_CASE("the solver finds known dimensions, and needs elements that generate the group") {
  // Maps between powers of a permutation representation: Bell numbers (Maron et al. 2019).
  const Space p = Space::parse("p: permutation(4) A[p] B[p, p]");
  CHECK(equivariant_dimension(p, 0, p, 0, generators(p)) == 2);
  CHECK(equivariant_dimension(p, 0, p, 1, generators(p)) == 5);
  CHECK(equivariant_dimension(p, 1, p, 1, generators(p)) == 15);
  CHECK(equivariant_dimension(p, -1, p, 1, generators(p)) == 2);
  // Endomorphisms of V ⊗ V* and of V ⊗ V: two each (Schur-Weyl). Nothing between them.
  const Space g = Space::parse("G: GL(2) L[G, G*] T[G, G]");
  CHECK(equivariant_dimension(g, 0, g, 0, generators(g)) == 2);
  CHECK(equivariant_dimension(g, 1, g, 1, generators(g)) == 2);
  CHECK(equivariant_dimension(g, 0, g, 1, generators(g)) == 0);
  CHECK(equivariant_dimension(g, -1, g, 0, generators(g)) == 1);
  // Cycles of three places generate the even permutations only: index patterns of three and of four different places
  // fall into two orbits each.
  std::vector<Element> cycles;
  for (std::int32_t left_out = 0; left_out < 4; ++left_out) {
    std::vector<ElementPart> parts(1, Element::identity(p).part(0));
    std::vector<std::size_t> moved;
    for (std::int32_t i = 0; i < 4; ++i)
      if (i != left_out) moved.push_back(static_cast<std::size_t>(i));
    for (std::size_t i = 0; i < 3; ++i) parts[0].order[moved[i]] = static_cast<std::int32_t>(moved[(i + 1) % 3]);
    cycles.emplace_back(p, parts);
  }
  CHECK(equivariant_dimension(p, 1, p, 1, cycles) == 22);
  // Orthogonal matrices would take covectors for vectors.
  const Space v = Space::parse("G: GL(2) x[G] y[G*]");
  CHECK(equivariant_dimension(v, 0, v, 1, generators(v)) == 0);
}

TEST_CASE("dense networks with fixed ends (HNP), permuted ends (NP), positive and sign monomials") {
  const std::int64_t widths[] = {2, 2, 3, 2};
  for (FactorKind kind : {FactorKind::permutation, FactorKind::positive_monomial, FactorKind::sign_monomial})
    for (std::size_t layers : {2, 3}) {
      const Space space = mlp_space(std::span(widths).first(layers + 1), kind);
      check_basis(space, space);
      check_basis(space, space, {.means = true});
      check_basis(space, Space::parse(space.str() + " y"));  // invariants
    }
  for (const char* text :
       {"in: permutation(2); h1: permutation(3); out: permutation(2) W1[h1, in*] b1[h1] W2[out, h1*] b2[out]",
        "in: permutation(2); h1: permutation(2); h2: permutation(3); out: permutation(2) W1[h1, in*] b1[h1] W2[h2, "
        "h1*] "
        "b2[h2] W3[out, h2*] b3[out]"})
    check_basis(text);
}

TEST_CASE("recurrent weights under all four groups") {
  // R -> R has four axes over h.
  for (const char* text : {"h: permutation(4); in: fixed(2) R[h, h*] b[h] U[h, in*]",
                           "h: positive_monomial(4); in: fixed(2) R[h, h*] b[h] U[h, in*]",
                           "h: sign_monomial(4); in: fixed(2) R[h, h*] b[h] U[h, in*]",
                           "h: GL(3); in: fixed(2) R[h, h*] b[h] U[h, in*] c[h*]"})
    check_basis(text);
}

TEST_CASE("transformer blocks: attention with a GL per head, and residual streams of two blocks") {
  const Space block = transformer_space({2, 2, 2, 2, 3}, false), stream = transformer_space({2, 2, 2, 2, 2, 2}, true);
  check_basis(block, block);
  check_basis(stream, stream);
}

TEST_CASE("plain GL, experts with neurons of their own, and factors that meet in one tensor") {
  for (const char* text : {
           "G, K: GL(2); c: fixed(2) L[G, G*] T[G, G] x[G, c] y[G*] M[K, G*] s",
           "e: permutation(2); n: positive_monomial(3) per e; c: fixed(2) U[e, n, c] V[e, c, n*] g[e] R[e, n, n*]",
           "e: permutation(2); n: sign_monomial(3) per e; m: positive_monomial(2) U[e, n] V[m*, e, n*] g[e] R[n, n, e]",
           "e: permutation(2); n: permutation(2) per e; c: fixed(2) U[e, n, c] V[e, c, n*] g[e]",
           "h: permutation(2); s: sign_monomial(2); m: positive_monomial(2); q: GL(2) per h A[h, s, q] B[m, s*] C[h, "
           "q*, m*] "
           "D[s, s] E[m, h]",
       })
    check_basis(text);
}

TEST_CASE("real networks: the spaces of spec 8, and those of every kind") {
  for (const char* text :
       {"s: orthogonal(4); o: fixed(2) E[o, s] W[s, o] b[s] S[s, s*]",
        "h: permutation(4); s: orthogonal(3) per h; o: fixed(2) A[h, s, o] B[h, o, s*] c[h]",
        "f: monomial(4); i: fixed(2) gate[f^0, i] up[f, i] down[i, f*]",
        "kv: permutation(2); rep: permutation(2) per kv; q: rotary(4) per kv; i: fixed(2) WQ[kv, rep, q, i] WK[kv, q*, "
        "i]",
        "kv: permutation(2); q: rotary(6) per kv WQ[kv, q, 2] bQ[kv, q] WK[kv, q*] n[kv]",
        "s: sign_monomial(5); n: monomial(5) along s; o: fixed(2) E[o, s] g[n] W[o, s&n*] tied[s^0]",
        "s: permutation(5); n: monomial(5) along s; o: fixed(2) E[o, s] g[n] b[n] W[o, n*]",
        "c: positive_monomial(4); t: monomial(4) along c; i: fixed(2) W[t, i] gamma[c&t*] beta[c] mean[t] var[c^0] "
        "next[i, c*]",
        "h: positive_monomial(5); i, o: fixed(2) W[h, i*] b[h] U[o, h*] mW[h*, i] mb[h*] vW[h^-2, i] vb[h^-2] vU[o, "
        "h^2]",
        "h: sign_monomial(4); x: fixed(2) i[h^0, x] g[h, x] Ri[h^0, h*] Rg[h, h*]",
        "p: fixed(3); kv: permutation(3); z: sign_monomial(3) per kv along p; t: monomial(3) along p; i: fixed(2) "
        "WQ[kv, z, i] WK[kv, z] gq[t] gk[t*]",
        "e: permutation(3); f: monomial(3) per e; i: fixed(2) r[e, i] w1[e, f^0, i] w3[e, f] w2[e, i, f*]",
        "s: permutation(5); t: monomial(5) along s; f: fixed(2) W[t, f] b[t] ls[t*] e[s]",
        "s: permutation(4); r: GL(2); o: fixed(2) A[r, s] B[o, r*] W[o, s]",
        "e: orthogonal(3); a, b: positive_monomial(1); i: fixed(2) T[e, a, i] V[e, b, i]",
        "r: rotary_adjacent(4); i: fixed(2) A[r, i] B[r*] C[r*, i]",
        "b: fixed(2); q: GL(2) per b; n: positive_monomial(2) per b A[b, q] B[b, q*, n] C[b, n*] D[n^2, b] s",
        "s: sign_monomial(4); e: sign_monomial(4) along s; i: fixed(2) W[e, i] R[i, e&s] c[s]"})
    check_basis(text);
  for (const FactorKind kind : all_kinds)
    check_basis(fmt::format("h: {}; c: fixed(2) A[h, c] B[h*] C[h] s", kind->example).c_str());
}

TEST_CASE("convolutions: taps are channels, also where a layer changes them") {
  const std::int64_t widths[] = {2, 2, 2, 2};
  const std::array<std::int64_t, 2> kernels[] = {{2, 1}, {1, 2}, {1, 1}}, folded[] = {{1, 1}, {1, 1}, {1, 1}};
  for (FactorKind kind : {FactorKind::permutation, FactorKind::positive_monomial, FactorKind::sign_monomial}) {
    const Space in = cnn_space(widths, kernels, kind), out = cnn_space(widths, folded, kind);
    check_basis(in, in);
    check_basis(in, out);
    check_basis(out, in);
  }
}

TEST_CASE("below the size of spec 7.4 the terms still span all maps, but depend on one another") {
  // n places tell at most n blocks of axes apart: a term with more of them is a sum of others. Permutations allow any
  // of the 15 partitions of four axes; the other groups pair axes, so that half the size is enough for them.
  struct Row {
    const char* kind;
    int terms;
    std::vector<int> dimensions;  ///< for n = 1, 2, …
  };
  for (const Row& row : {Row{"permutation", 15, {1, 8, 14, 15}}, Row{"positive_monomial", 3, {1, 3, 3}},
                         Row{"sign_monomial", 4, {1, 4, 4}}, Row{"GL", 2, {1, 2, 2}}})
    for (std::size_t n = 1; n <= row.dimensions.size(); ++n) {
      const Space space = Space::parse(fmt::format("h: {}({}) R[h, h*]", row.kind, n));
      INFO(space.str());
      const DerivedMaps maps = derived_maps(derive_linear(space, space), space, 0, space, 0, generators(space));
      CHECK(maps.count == row.terms);
      CHECK(maps.rank == row.dimensions[n - 1]);
      CHECK(equivariant_dimension(space, 0, space, 0, generators(space)) == row.dimensions[n - 1]);
    }
  // One head cannot tell "its own" from "all".
  const Space one = Space::parse("h: permutation(1); r: permutation(4) per h A[h, r]");
  const DerivedMaps maps = derived_maps(derive_linear(one, one), one, 0, one, 0, generators(one));
  CHECK(maps.count == 3);
  CHECK(maps.rank == 2);
  CHECK(equivariant_dimension(one, 0, one, 0, generators(one)) == 2);
}

TEST_CASE("derived monomial layers are the list of spec 4.1, with its numbering") {
  const std::int64_t widths[] = {2, 4, 5, 6, 3};
  auto derived = [&](std::size_t layers, FactorKind kind) {
    const Space space = mlp_space(std::span(widths).first(layers + 1), kind);
    return derive_linear(space, space);
  };
  CHECK(derived(4, FactorKind::positive_monomial) == R"(W1[j,k] += phi1[p,k] W1[j,p]
W1[j,k] += phi2[k] b1[j]
b1[j] += phi1[p] W1[j,p]
b1[j] += phi2 b1[j]
W2[j,k] += phi1 W2[j,k]
b2[j] += phi1 b2[j]
W3[j,k] += phi1 W3[j,k]
b3[j] += phi1 b3[j]
W4[j,k] += phi1[p,j] W4[p,k]
b4[j] += phi1[p,j] b4[p]
b4[j] += phi2[j]
)");
  CHECK(derived(3, FactorKind::sign_monomial) == R"(W1[j,k] += phi1[p,k] W1[j,p]
W1[j,k] += phi2[k] b1[j]
b1[j] += phi1[p] W1[j,p]
b1[j] += phi2 b1[j]
W2[j,k] += phi1 W2[j,k]
b2[j] += phi1 b2[j]
b2[j] += phi2[p] W3[p,j]
W3[j,k] += phi1[p,j] W3[p,k]
W3[j,k] += phi2[j] b2[k]
b3[j] += phi1[p,j] b3[p]
b3[j] += phi2[j]
)");
  CHECK(derived(2, FactorKind::positive_monomial) == R"(W1[j,k] += phi1[p,k] W1[j,p]
W1[j,k] += phi2[k] b1[j]
b1[j] += phi1[p] W1[j,p]
b1[j] += phi2 b1[j]
W2[j,k] += phi1[p,j] W2[p,k]
b2[j] += phi1[p,j] b2[p]
b2[j] += phi2[j]
)");
  // Signs at L = 2: both layers touch the hidden axis, and two maps exist that the published layer lacks.
  CHECK(derived(2, FactorKind::sign_monomial) == R"(W1[j,k] += phi1[p,k] W1[j,p]
W1[j,k] += phi2[k] b1[j]
W1[j,k] += phi3[p,k] W2[p,j]
b1[j] += phi1[p] W1[j,p]
b1[j] += phi2 b1[j]
b1[j] += phi3[p] W2[p,j]
W2[j,k] += phi1[p,j] W2[p,k]
W2[j,k] += phi2[j] b1[k]
W2[j,k] += phi3[p,j] W1[k,p]
b2[j] += phi1[p,j] b2[p]
b2[j] += phi2[j]
)");
}

TEST_CASE("derived monomial layers have the parameters of spec 5's monomial.linear") {
  const std::int64_t three[] = {2, 4, 5, 3}, two[] = {2, 4, 3};
  auto parameters = [](std::span<const std::int64_t> widths, FactorKind kind) {
    const Space space = mlp_space(widths, kind);
    return shapes(TermList(space, space, derive_linear(space, space)));
  };
  CHECK(parameters(three, FactorKind::positive_monomial) ==
        "W1.phi1[7, 5, 2, 2] W1.phi2[7, 5, 2] b1.phi1[7, 5, 2] b1.phi2[7, 5] W2.phi1[7, 5] b2.phi1[7, 5] "
        "W3.phi1[7, 5, 3, 3] b3.phi1[7, 5, 3, 3] b3.phi2[7, 3]");
  CHECK(parameters(three, FactorKind::sign_monomial) ==
        "W1.phi1[7, 5, 2, 2] W1.phi2[7, 5, 2] b1.phi1[7, 5, 2] b1.phi2[7, 5] W2.phi1[7, 5] b2.phi1[7, 5] "
        "b2.phi2[7, 5, 3] W3.phi1[7, 5, 3, 3] W3.phi2[7, 5, 3] b3.phi1[7, 5, 3, 3] b3.phi2[7, 3]");
  CHECK(parameters(two, FactorKind::sign_monomial) ==
        "W1.phi1[7, 5, 2, 2] W1.phi2[7, 5, 2] W1.phi3[7, 5, 3, 2] b1.phi1[7, 5, 2] b1.phi2[7, 5] b1.phi3[7, 5, 3] "
        "W2.phi1[7, 5, 3, 3] W2.phi2[7, 5, 3] W2.phi3[7, 5, 2, 3] b2.phi1[7, 5, 3, 3] b2.phi2[7, 3]");
  const std::array<std::int64_t, 2> kernels[] = {{3, 3}, {1, 1}}, folded[] = {{1, 1}, {1, 1}};
  const Space in = cnn_space(two, kernels, FactorKind::positive_monomial),
              out = cnn_space(two, folded, FactorKind::positive_monomial);
  CHECK(shapes(TermList(in, out, derive_linear(in, out))) ==
        "W1.phi1[7, 45, 2, 2] W1.phi2[7, 5, 2] b1.phi1[7, 45, 2] b1.phi2[7, 5] W2.phi1[7, 5, 3, 3] "
        "b2.phi1[7, 5, 3, 3] b2.phi2[7, 3]");
}

TEST_CASE("the derived layer of an inner weight under permutations is what spec 4.2 describes") {
  const std::int64_t widths[] = {2, 4, 5, 3};
  const Space space = mlp_space(widths, FactorKind::permutation);
  const std::string text = derive_linear(space, space, {.means = true});
  const auto begin = text.find("W2[j,k]"), end = text.find("b2[j] +=");
  CHECK(text.substr(begin, end - begin) == R"(W2[j,k] += phi1 W2[j,k]
W2[j,k] += mean(p) phi2 W2[j,p]
W2[j,k] += mean(p) phi3 W2[p,k]
W2[j,k] += mean(p,q) phi4 W2[p,q]
W2[j,k] += phi5 b1[k]
W2[j,k] += mean(p) phi6 b1[p]
W2[j,k] += phi7 b2[j]
W2[j,k] += mean(p) phi8 b2[p]
W2[j,k] += phi9[p] W1[k,p]
W2[j,k] += mean(p) phi10[q] W1[p,q]
W2[j,k] += phi11[p] W3[p,j]
W2[j,k] += mean(q) phi12[p] W3[p,q]
W2[j,k] += phi13[p] b3[p]
W2[j,k] += phi14
)");
}
