// Typed terms: every message, proofs, parameters, fans and flops (spec 7.1-7.3).

#include "weft/nfn/magep/terms.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "weft/nfn/transformer/terms.h"
#include "weft/ops/terms.h"
#include "weft/tests/random_space.h"

using namespace weft;

namespace {

/// Has all kinds of factors and per-head ones.
const Space& space() {
  static const Space s = Space::parse(
      "h: permutation(2); q: GL(3) per h; m: fixed(4); in: fixed(3); out: fixed(4); s: permutation(4); t: "
      "permutation(4); "
      "a: positive_monomial(5); g: sign_monomial(3) "
      "WQ[h, m, q] WK[h, m, q*] WA[s*, a] bA[a] WB[a*, m] bB[m] G[g] H[g, m] N[m, in] O[m, out] P[s] T[t] K[m; "
      "taps=3x1] S");
  return s;
}

void refused(const std::string& text, const std::string& message) {
  CHECK_THROWS_WITH_AS(TermList(space(), space(), text), message.c_str(), ParseError);
}

/// Of the single statement `text`.
void not_equivariant(const std::string& text, const std::string& index, const std::string& reason) {
  const auto line = text.rfind('\n');
  const std::string message = fmt::format("[terms] '{}', index {}: {}",
                                          line == std::string::npos ? text : text.substr(line + 1), index, reason);
  CHECK_THROWS_WITH_AS(TermList(space(), space(), text), message.c_str(), TypeError);
}

}  // namespace

TEST_CASE("terms: text reads as it is written, with free white space and comments") {
  const auto statements = parse_terms(
      "# the quadratic terms\n\n  QK [ p , q ] := WQ[h,p,x]WK[h,q,x] + mean ( h,x ) WQ[h,p,x] WK[h,q,x] # two\r\n"
      "bA[k] += mean\t(p) phi11 WA[p,k]\n\ty += phi8\nmean += phi1 mean\n");
  CHECK(statements.size() == 4);
  CHECK(statements[0].str() == "QK[p,q] := WQ[h,p,x] WK[h,q,x] + mean(h,x) WQ[h,p,x] WK[h,q,x]");
  CHECK(statements[0].let);
  CHECK(statements[0].line == 3);
  CHECK(statements[1].str() == "bA[k] += mean(p) phi11 WA[p,k]");
  CHECK(statements[1].products[0].mean == std::vector<std::string>{"p"});
  CHECK(statements[2].str() == "y += phi8");
  CHECK(statements[3].str() == "mean += phi1 mean");  // without a parenthesis it is a name
  CHECK(statements[3].line == 6);
  for (const auto& s : statements) CHECK(parse_terms(s.str())[0].str() == s.str());
  CHECK(parse_terms(" # nothing\n").empty());
  const TermList list(space(), space(), "QK[p,q] := WQ[h,p,x] WK[h,q,x]\nbB[k]+=phi1[k,p,q]QK[p,q]#\n");
  CHECK(list.text() == "QK[p,q] := WQ[h,p,x] WK[h,q,x]\nbB[k] += phi1[k,p,q] QK[p,q]\n");
}

TEST_CASE("terms: what a name learns") {
  for (const char* name : {"phi1", "psi", "W2.phi3", "psi.WW.2.1", "a.psib.c"}) CHECK(is_learned(name));
  for (const char* name : {"W2", "aphi", "WW.2.1", "Phi1", "a.b"}) CHECK(!is_learned(name));
}

TEST_CASE("terms: every syntax error, word for word") {
  refused("3 += phi1", "[terms] line 1, column 1: expected a name at the start of a statement, found '3 += phi1'");
  refused("S phi1", "[terms] line 1, column 3: expected '+=' or ':=' behind the left side, found 'phi1'");
  refused("S +=", "[terms] line 1, column 5: expected a name of a feature, let or learned tensor, found 'end'");
  refused("S += phi1\n\nS += [p]",
          "[terms] line 3, column 6: expected a name of a feature, let or learned tensor, found '[p]'");
  refused("S += phi1 P[p", "[terms] line 1, column 14: expected ']' behind a list of indices, found 'end'");
  refused("S += phi1 P[p q]", "[terms] line 1, column 15: expected ']' behind a list of indices, found 'q]'");
  refused("S += phi1 P[]", "[terms] line 1, column 13: expected an index in a list of indices, found ']'");
  refused("S += mean() phi1 P[p]", "[terms] line 1, column 11: expected an index of a mean, found ') phi1 P[p]'");
  refused("S += mean(p phi1 P[p]",
          "[terms] line 1, column 13: expected ')' behind the indices of a mean, found 'phi1 P[p]'");
  refused("S += phi1 P[p] + phi2", "[terms] line 1, column 16: expected the end of the statement, found '+ phi2'");
  refused("S += phi1 P[p]; S += phi2",
          "[terms] line 1, column 15: expected the end of the statement, found '; S += phi2'");
}

TEST_CASE("terms: every error of names, indices and learned tensors, word for word") {
  constexpr const char* tensors = "WQ, WK, WA, bA, WB, bB, G, H, N, O, P, T, K, S";
  // The left side.
  refused("X += phi1", fmt::format("[terms] line 1, 'X += phi1': 'X' is no tensor of the output space ({})", tensors));
  refused("bA += phi1 S", "[terms] line 1, 'bA += phi1 S': 'bA' has 1 axes, 0 indices were given");
  refused("bA[0] += phi1 S",
          "[terms] line 1, 'bA[0] += phi1 S': an integer on the left; it selects a position of a learned tensor only");
  // Features.
  refused("S += phi1\nS += phi1 X[p]",
          fmt::format("[terms] line 2, 'S += phi1 X[p]': 'X' is unknown; allowed: a tensor of the input space ({}), an "
                      "earlier let, or phi… and psi…",
                      tensors));
  refused("S += phi1 WA[p]", "[terms] line 1, 'S += phi1 WA[p]': 'WA' has 2 axes, 1 indices were given");
  refused("S += phi1 P[1]",
          "[terms] line 1, 'S += phi1 P[1]': integer 1 in 'P'; it selects a position of a learned tensor only");
  refused("S += phi1 bB[p] K[p]",
          "[terms] line 1, 'S += phi1 bB[p] K[p]': 'K' has 3 taps, another feature of the term 1; allowed: equal ones");
  refused("S += phi1 N[p,p]",
          "[terms] line 1, 'S += phi1 N[p,p]': index p runs over m (fixed(4)) and in (fixed(3)); allowed: one factor");
  refused("L[p] := bB[p] + N[q,p]",
          "[terms] line 1, 'L[p] := bB[p] + N[q,p]': index p runs over in (fixed(3)) and m (fixed(4)); allowed: one "
          "factor");
  // Learned tensors.
  refused("S += P[p]", "[terms] line 1, 'S += P[p]': 0 phi; allowed: exactly one a term");
  refused("S += phi1 phi2 P[p]", "[terms] line 1, 'S += phi1 phi2 P[p]': 2 phi; allowed: exactly one a term");
  refused("S += psi1 P[p]", "[terms] line 1, 'S += psi1 P[p]': 0 phi; allowed: exactly one a term");
  refused("S += phi1 psi1", "[terms] line 1, 'S += phi1 psi1': 'psi1' without a feature");
  refused("S += phi1[k] bB[p]",
          "[terms] line 1, 'S += phi1[k] bB[p]': index k of 'phi1' stands in no feature and not on the left");
  refused("S += phi1[p,p] bB[p]",
          "[terms] line 1, 'S += phi1[p,p] bB[p]': index p stands twice in 'phi1'; allowed: distinct ones");
  refused("S += phi1[1000000] bB[p]",
          "[terms] line 1, 'S += phi1[1000000] bB[p]': integer 1000000 in 'phi1'; allowed: up to 999999");
  // Parameters that terms share.
  refused(
      "S += phi1[p] bB[p]\nS += phi1[p] N[q,p]",
      "[terms] line 2, 'S += phi1[p] N[q,p]': parameter 'S.phi1' has shape [1, 1, 3] here (e = d = 1), [1, 1, 4] in an "
      "earlier term; allowed: one shape");
  refused(
      "S += phi1\nS += phi1 P[p]",
      "[terms] line 2, 'S += phi1 P[p]': parameter 'S.phi1' has shape [1, 1] here (e = d = 1), [1] in an earlier term; "
      "allowed: one shape");
  refused(
      "S += phi1 P[p]\nS += phi1 K[p]",
      "[terms] line 2, 'S += phi1 K[p]': parameter 'S.phi1' has shape [1, 3] here (e = d = 1), [1, 1] in an earlier "
      "term; allowed: one shape");
  refused(
      "S += phi1[4] P[p]\nS += phi1[q] bB[q]",
      "[terms] line 2, 'S += phi1[q] bB[q]': parameter 'S.phi1' has shape [1, 1, 4] here (e = d = 1), [1, 1, 5] in an "
      "earlier term; allowed: one shape");
  refused(
      "S += phi1[q] bB[q]\nS += phi1[4] P[p]",
      "[terms] line 2, 'S += phi1[4] P[p]': parameter 'S.phi1' has shape [1, 1, 5] here (e = d = 1), [1, 1, 4] in an "
      "earlier term; allowed: one shape");
  refused(
      "S += phi1[1] P[p]\nS += phi1[q] bB[q]\nS += phi1[4] P[p]",
      "[terms] line 3, 'S += phi1[4] P[p]': parameter 'S.phi1' has shape [1, 1, 5] here (e = d = 1), [1, 1, 4] in an "
      "earlier term; allowed: one shape");
  // Means.
  refused("bA[k] += mean(k) phi1 bA[k]",
          "[terms] line 1, 'bA[k] += mean(k) phi1 bA[k]': mean over k; allowed: an index that stands on the right and "
          "not on "
          "the left");
  refused("S += mean(k) phi1 bA[j]",
          "[terms] line 1, 'S += mean(k) phi1 bA[j]': mean over k; allowed: an index that stands on the right and not "
          "on the "
          "left");
  refused(
      "S += mean(0) phi1[0] P[j]",
      "[terms] line 1, 'S += mean(0) phi1[0] P[j]': mean over 0; allowed: an index that stands on the right and not on "
      "the left");
  refused("S += mean(j,j) phi1 P[j]", "[terms] line 1, 'S += mean(j,j) phi1 P[j]': mean over j twice");
  // Lets.
  refused("P[p] := P[p]", "[terms] line 1, 'P[p] := P[p]': the name 'P' is taken");
  refused("L := P[p]\nL := P[p]", "[terms] line 2, 'L := P[p]': the name 'L' is taken");
  refused("L.phi := P[p]",
          "[terms] line 1, 'L.phi := P[p]': 'L.phi' is the name of a learned tensor; a let needs another");
  refused("L[0] := P[p]",
          "[terms] line 1, 'L[0] := P[p]': an integer on the left; it selects a position of a learned tensor only");
  refused("L[p,p] := P[p]",
          "[terms] line 1, 'L[p,p] := P[p]': index p stands twice on the left of a let; allowed: distinct ones");
  refused("L[k] := P[p]", "[terms] line 1, 'L[k] := P[p]': index k of a let stands in no feature of its product");
  refused("L[p] := P[p] + P[k]",
          "[terms] line 1, 'L[p] := P[p] + P[k]': index p of a let stands in no feature of its product");
  refused("L := P[p] psi1",
          "[terms] line 1, 'L := P[p] psi1': 'psi1' in a let; allowed: a name with a dot, as psi.WW.2.1");
  refused("L := P[p] a.phi",
          "[terms] line 1, 'L := P[p] a.phi': a let has features and psi only; move the phi to the term that reads it");
  refused("L := a.psi", "[terms] line 1, 'L := a.psi': 'a.psi' without a feature");
  refused("S += phi1 L[p]\nL[p] := P[p]",
          fmt::format("[terms] line 1, 'S += phi1 L[p]': 'L' is unknown; allowed: a tensor of the input space ({}), an "
                      "earlier let, or phi… and psi…",
                      tensors));
  // What the interpreter holds.
  refused("S += phi1 S S S S S S S S", "[terms] line 1, 'S += phi1 S S S S S S S S': 9 factors; allowed: up to 8");
  CHECK_NOTHROW(TermList(space(), space(), "S += phi1 S S S S S S S"));
}

TEST_CASE("terms: an index with a size is shared by learned tensors alone") {
  const Space space = Space::parse("m: fixed(5); p: permutation(3) B[p, m]");
  const char* text = "B[j,k] += phi1[rank:2,k] psi1[rank,m] B[j,m]\n";
  const TermList list(space, space, text);
  CHECK(list.text() == text);
  CHECK(list.parameters()[0].shape(7, 4) == Shape{7, 4, 2, 5});
  CHECK(list.parameters()[1].shape(7, 4) == Shape{4, 2, 5});
  CHECK(list.proof(0).find("shared by learned tensors alone") != std::string::npos);
  const auto refuses = [&](const std::string& line, const std::string& why) {
    CHECK_THROWS_WITH_AS(TermList(space, space, line), ("[terms] line 1, '" + line + "': " + why).c_str(), ParseError);
  };
  refuses("B[j,k] += phi1[r:2,k] B[j,m]",
          "index r stands in one learned tensor alone; allowed: in two, whose product it sums");
  refuses("B[j,k] += phi1[r:2,k] psi1[r:2,m] B[j,m]", "index r has its size already");
  refuses("B[j,k] += phi1[r,k] psi1[r,m] B[j,m]", "index r of 'phi1' stands in no feature and not on the left");
  refuses("B[j,k:5] += phi1 B[j,m]", "index k:5 on the left; an index with a size stands in learned tensors only");
  refuses("L[k:5] := B[p,k]", "index k:5 on the left; an index with a size stands in learned tensors only");
  refuses("B[j,k] += phi1[k] B[j,m:5]", "index m:5 in 'B'; an index with a size stands in learned tensors only");
  refuses("B[j,k] += phi1[k:5,j] psi1[k] B[j,k]", "index k has its size already");
  CHECK_THROWS_WITH_AS(TermList(space, space, "B[j,k] += phi1[r:0,k] psi1[r,m] B[j,m]"),
                       "[terms] line 1, column 19: expected a size of 1 or more for an index, found ',k] psi1[r,m'",
                       ParseError);
  std::string sized, again;
  for (int i = 0; i < 27; ++i) {
    sized += fmt::format(",i{}:2", i);
    again += fmt::format(",i{}", i);
  }
  refuses("B[j,k] += phi1[k" + sized + "] psi1[m" + again + "] B[j,m]", "more than 29 indices in one product");
}

TEST_CASE("terms: mangled text is refused or reads as it prints") {
  const Space block = transformer_space({4, 5, 2, 3, 3}, false);
  constexpr const char* text =
      "QK[p,q] := WQ[h,p,x] WK[h,q,x] + WQ[h,p,x] WK[h,q,x] psi.a[p]\nWA[j,k] += phi1[p,q] QK[p,q]\n"
      "WA[j,k] += mean(r,t) phi4 WA[r,t]\nbB[k] += phi1[k,p,q] QK[p,q] # sum\nbA[k] += phi3[0]\n";
  int read = 0;
  for (std::uint64_t seed = 0; seed < 20000; ++seed) {
    testing::Draw draw(RandomKey(seed, "mangled"));
    const std::string lines = testing::mangled(text, draw);
    try {
      const TermList list(block, block, lines, true);
      CHECK_MESSAGE(TermList(block, block, list.text(), true).text() == list.text(), lines);
      for (int i = 0; i < static_cast<int>(list.terms().size()); ++i) CHECK(!list.proof(i).empty());
      ++read;
    } catch (const ParseError&) {}
  }
  CHECK(read > 500);
  CHECK(read < 10000);
}

TEST_CASE("terms: errors of the two spaces") {
  const Space in = Space::parse("h: permutation(2); m: fixed(3) W[h, m] b"),
              out = Space::parse("h: permutation(3) c[h]"), taken = Space::parse("m: fixed(3) phi1[m]");
  CHECK_THROWS_WITH_AS(TermList(in, out, "c[j] += phi1 b"),
                       "[terms] factor 'h' is permutation(2) in the input space, permutation(3) in the output space; "
                       "allowed: one definition",
                       ParseError);
  CHECK_THROWS_WITH_AS(TermList(taken, in, "b += phi1[k]"),
                       "[terms] tensor 'phi1' of the input space has the name of a learned tensor", ParseError);
  CHECK(TermList(in, taken, "phi1[k] += phi2[k,p] W[h,p]").parameters()[0].name == "phi1.phi2");
  // 8 operands with 6 axes each: more labels than the interpreter counts.
  const Space many = Space::parse("m: fixed(1) W[m, m, m, m, m, m] y");
  std::string text = "y += phi1";
  for (int f = 0, index = 0; f < 6; ++f) {
    text += " W[";
    for (int i = 0; i < 6; ++i) text += fmt::format("{}p{}", i ? "," : "", index++);
    text += "]";
  }
  CHECK_THROWS_WITH_AS(TermList(many, many, text),
                       fmt::format("[terms] line 1, '{}': more than 29 indices in one product", text).c_str(),
                       ParseError);
}

TEST_CASE("terms: every refusal of the rule, word for word") {
  // Any index: one factor, no learned tensor unless it is fixed, one head.
  not_equivariant("S += phi1 O[k,k]", "k (m: fixed(4))", "runs over m and out; allowed: one factor");
  not_equivariant("S += phi1 P[k] T[k]", "k (s: permutation(4))", "runs over s and t; allowed: one factor");
  not_equivariant("P[k] += phi1 T[k]", "k (t: permutation(4))", "runs over t and s; allowed: one factor");
  not_equivariant("P[k] += phi1[k]", "k (s: permutation(4))",
                  "stands in 'P.phi1', but s moves; allowed there: indices over fixed factors");
  not_equivariant("bA[k] += phi1[k] bA[k]", "k (a: positive_monomial(5))",
                  "stands in 'bA.phi1', but a moves; allowed there: indices over fixed factors");
  not_equivariant("S += phi1 psi1[k] P[k]", "k (s: permutation(4))",
                  "stands in 'S.psi1', but s moves; allowed there: indices over fixed factors");
  not_equivariant("WQ[h,j,k] += phi1 WQ[g,j,k]", "k (q: GL(3) per h)",
                  "its places carry different heads; allowed: one index over h at all of them");
  not_equivariant("S += phi1 WQ[h,j,x] WK[g,j,x]", "x (q: GL(3) per h)",
                  "its places carry different heads; allowed: one index over h at all of them");
  // Scaling and signs.
  not_equivariant("bA[k] += phi1[q] WB[k,q]", "k (a: positive_monomial(5))",
                  "scales by power -1 on the right, 1 on the left");
  not_equivariant("S += phi1 bA[k]", "k (a: positive_monomial(5))", "scales by power 1 on the right, 0 on the left");
  not_equivariant("bA[k] += phi1", "k (a: positive_monomial(5))", "scales by power 0 on the right, 1 on the left");
  not_equivariant("bA[k] += phi1 bA[k] bA[k]", "k (a: positive_monomial(5))",
                  "scales by power 2 on the right, 1 on the left");
  not_equivariant("G[k] += phi1 G[j]", "j (g: sign_monomial(3))", "an odd number of signs");
  not_equivariant("G[k] += phi1 G[k] G[k]", "k (g: sign_monomial(3))", "an odd number of signs");
  // GL.
  not_equivariant("WQ[h,j,k] += phi1 WK[h,j,k]", "k (q: GL(3) per h)",
                  "is a vector on one side and a covector on the other; allowed: the same role");
  not_equivariant("S += phi1 WQ[h,j,x] WQ[h,j,x]", "x (q: GL(3) per h)",
                  "stands twice in the same role; allowed: a vector with a covector");
  not_equivariant(
      "S += phi1 WQ[h,j,x]", "x (q: GL(3) per h)",
      "stands 1 times on the right and 0 on the left; allowed: once on each side, or a vector and a covector on "
      "one");
  not_equivariant(
      "WQ[h,j,k] += phi1 WQ[h,j,k] WQ[h,j,k] WK[h,j,k]", "k (q: GL(3) per h)",
      "stands 3 times on the right and 1 on the left; allowed: once on each side, or a vector and a covector on "
      "one");
  // Lets: what they sum, what they forget, what they disagree on.
  not_equivariant("L := bA[k]", "k (a: positive_monomial(5))", "scales by power 1 on the right, 0 on the left");
  not_equivariant("L[x] := WQ[h,j,x]", "x (q: GL(3) per h)",
                  "its places carry different heads; allowed: one index over h at all of them");
  not_equivariant("L[k] := bA[k] + bA[k] bA[k]", "k (a: positive_monomial(5))",
                  "scales by power 2 on the right, 1 on the left");
  not_equivariant("L[k] := P[k] + T[k]", "k (t: permutation(4))", "runs over t and s; allowed: one factor");
  not_equivariant("L[k] := bA[k] bA[k]\nbA[k] += phi1 L[k]", "k (a: positive_monomial(5))",
                  "scales by power 2 on the right, 1 on the left");
  not_equivariant("L[k] := G[k] H[k,m]\nG[k] += phi1 L[k]", "k (g: sign_monomial(3))", "an odd number of signs");
  not_equivariant("QQ[h,g,x,y] := WQ[h,p,x] WQ[g,p,y]\nWQ[h,j,x] += phi1 QQ[g,h,x,y]", "x (q: GL(3) per h)",
                  "its places carry different heads; allowed: one index over h at all of them");
}

TEST_CASE("terms: lets that carry odd weights, parities and heads are read by them") {
  for (const char* text : {
           "L[k] := bA[k] bA[k]\nS += phi1[p,q] L[k] WB[k,p] WB[k,q]",
           "L[k] := bA[k] WB[k,p]\nS += phi1 L[k]\nWA[j,k] += phi1 L[k] bA[k]\nWA[j,k] += phi2 L[j2] WA[j,k]",
           "L[k] := G[k] G[k] G[k]\nG[k] += phi1 L[k]\nS += phi1 L[k] G[k]",
           "QQ[h,g,x,y] := WQ[h,p,x] WK[g,p,y]\nWQ[h,j,x] += phi1[j] QQ[h,g,x,y] WQ[g,p,y]",
           "P2[h,x,y] := WQ[h,p,x] WK[h,q,y]\nWQ[h,j,x] += phi1[j] P2[h,x,y] WQ[h,p,y]\nS += phi1 P2[h,x,x]",
       })
    CHECK_NOTHROW(TermList(space(), space(), text));
}

TEST_CASE("terms: a proof names each index, its places and the rule") {
  const TermList list(space(), space(), R"(QK[p,q] := WQ[h,p,x] WK[h,q,x]
AA[j,k] := bA[j] bA[j] G[k] H[k,p]
WQ[h,j,k] += mean(g) phi1[j,p] WQ[h,p,k] QK[p,j] WK[g,t,x] WQ[g,u,x]
S += phi1[0] AA[j,k] WB[j,p] WB[j,q] psi.a[p,q]
WA[j,k] += phi1 bA[k]
P[j] += phi1 P[j] P[k]
bB[k] += phi1[k])");
  std::string proof;
  for (int i = 0; i < static_cast<int>(list.terms().size()); ++i) proof += list.proof(i);
  const std::string expected = R"(QK[p,q] := WQ[h,p,x] WK[h,q,x]
    h    h: permutation(2)        WQ (vector), WK (vector)                 summed over all
    p    m: fixed(4)              WQ (vector), left QK (vector)            does not move: everything is allowed
    x    q: GL(3) per h           WQ (vector), WK (covector)               a vector with a covector: contracted
    q    m: fixed(4)              WK (vector), left QK (vector)            does not move: everything is allowed
AA[j,k] := bA[j] bA[j] G[k] H[k,p]
    j    a: positive_monomial(5)  bA (vector), bA (vector), left AA (power 2) scales by power 2 on both sides
    k    g: sign_monomial(3)      G (vector), H (vector), left AA (even)   an even number of signs
    p    m: fixed(4)              H (vector)                               does not move: everything is allowed
WQ[h,j,k] += mean(g) phi1[j,p] WQ[h,p,k] QK[p,j] WK[g,t,x] WQ[g,u,x]
    h    h: permutation(2)        WQ (vector), left WQ (vector)            kept
    p    m: fixed(4)              WQ (vector), QK (vector)                 does not move: everything is allowed
    k    q: GL(3) per h           WQ (vector), left WQ (vector)            kept in its role
    j    m: fixed(4)              QK (vector), left WQ (vector)            does not move: everything is allowed
    g    h: permutation(2)        WK (vector), WQ (vector)                 summed over all
    t    m: fixed(4)              WK (vector)                              does not move: everything is allowed
    x    q: GL(3) per h           WK (covector), WQ (vector)               a vector with a covector: contracted
    u    m: fixed(4)              WQ (vector)                              does not move: everything is allowed
S += phi1[0] AA[j,k] WB[j,p] WB[j,q] psi.a[p,q]
    j    a: positive_monomial(5)  AA (power 2), WB (covector), WB (covector) scales by power 0 on both sides
    k    g: sign_monomial(3)      AA (even)                                an even number of signs
    p    m: fixed(4)              WB (vector)                              does not move: everything is allowed
    q    m: fixed(4)              WB (vector)                              does not move: everything is allowed
WA[j,k] += phi1 bA[k]
    k    a: positive_monomial(5)  bA (vector), left WA (vector)            scales by power 1 on both sides
    j    s: permutation(4)        left WA (covector)                       the same value at all
P[j] += phi1 P[j] P[k]
    j    s: permutation(4)        P (vector), left P (vector)              kept
    k    s: permutation(4)        P (vector)                               summed over all
bB[k] += phi1[k]
    k    m: fixed(4)              left bB (vector)                         does not move: everything is allowed
)";
  CHECK(proof == expected);
  const TermList refused(space(), space(), "bA[k] += phi1[q] WB[k,q]", true);
  CHECK(refused.proof(0) ==
        "bA[k] += phi1[q] WB[k,q]\n"
        "    k    a: positive_monomial(5)  WB (covector), left bA (vector)          REFUSED: scales by power -1 on the "
        "right, 1 on the left\n"
        "    q    m: fixed(4)              WB (vector)                              does not move: everything is "
        "allowed\n");
  CHECK(*refused.refusal(0) == "index k (a: positive_monomial(5)): scales by power -1 on the right, 1 on the left");
}

TEST_CASE("terms: parameters are named, shaped and shared as spec 7.1 says") {
  const Space in = Space::parse("m: fixed(3); c: fixed(2); p: permutation(4) A[p, m] K[c; taps=3x2] D[c] s"),
              out = Space::parse("m: fixed(3); c: fixed(2) B[m; taps=1x2] C[c] y");
  const TermList list(in, out, R"(T := A[p,m] psi.T[m]
B[j] += phi1[j,m] A[p,m]
B[j] += phi2[k,j] K[k]
B[j] += phi3[2,j]
B[j] += phi3[0,j]
C[j] += phi1 T
C[j] += y.phi4 psi1[m] A[p,m]
C[j] += phi2[1,j] s
C[j] += phi2[k,j] D[k]
y += phi1[1] T
y += y.phi4 psi.T[m] A[p,m]
y += phi2)",
                      true);
  std::string text;
  for (const TermParameter& p : list.parameters()) text += fmt::format("{} {}\n", p.name, p.shape(5, 7).str());
  CHECK(text ==
        "psi.T [7, 3]\n"
        "B.phi1 [10, 7, 3, 3]\n"
        "B.phi2 [10, 42, 2, 3]\n"
        "B.phi3 [10, 3, 3]\n"
        "C.phi1 [5, 7]\n"
        "y.phi4 [5, 7]\n"
        "C.psi1 [7, 3]\n"
        "C.phi2 [5, 7, 2, 2]\n"
        "phi1 [5, 7, 2]\n"
        "phi2 [5]\n");
  std::vector<int> read;
  for (const TermResolved& term : list.terms())
    for (const TermOperand& operand : term.operands)
      if (operand.source == OperandSource::learned) read.push_back(operand.which);
  CHECK(read == std::vector<int>{0, 1, 2, 3, 3, 4, 5, 6, 7, 7, 8, 5, 0, 9});
}

TEST_CASE("terms: counts of spec 3.1, by hand") {
  const std::int64_t D = 4, A = 5, h = 3, k = 2, v = 6, d = 2, e = 7, B = 3;
  const Space space = transformer_space({D, A, h, k, v}, false);
  const TermList list(space, space, transformer_equivariant_terms());
  CHECK(list.parameters().size() == 45);
  const std::int64_t WQ = 3 * D * D, WO = 2, WA = D * D + 2 * D + 4 + 2 * D + 2 + D, bA = D * D + D + 2 + 2 * D + 2 + D,
                     WB = D * (D * D + D + 2 + 2 * D + 2 + D), bB = D * (D * D + D + 1 + D + 1 + D);
  CHECK(list.parameter_count(e, d) == e * d * (WQ + WO + WA + bA + WB + bB) + e * (1 + 1 + D + D));

  const double let_flops = 2. * static_cast<double>(B * d * h * D * D * (k + v));
  const std::int64_t WQ_flops = h * D * D * (2 * k + v), WO_flops = h * v + h * v * D,
                     WA_flops = D * D + D + D * D + 1 + D + A + D * A + D + A * D + 1 + A + D,
                     bA_flops = D * D + D + 1 + A + D + A * D + 1 + A + D,
                     WB_flops = D * D * D + D * D + D + D * A + D * D + D * A * D + D + D * A + D * D,
                     bB_flops = D * D * D + D * D + D + D * D + D + D * D;
  CHECK(term_flops(list, B, d, e) ==
        let_flops +
            2. * static_cast<double>(B * e * d * (WQ_flops + WO_flops + WA_flops + bA_flops + WB_flops + bB_flops) +
                                     e * (1 + 1 + D + D)));
}

TEST_CASE("terms: counts and fans of spec 2.2, by hand") {
  const std::int64_t widths[] = {2, 4, 5, 3}, n0 = 2, nL = 3, d = 4, e = 6;
  const Space space = mlp_space(widths, FactorKind::positive_monomial);
  const TermList list(space, space, magep_equivariant_terms(3));
  const std::int64_t W1 = 3 * n0 * n0 + n0, b1 = 3 * n0 + 1, W2 = 3, b2 = 3 * n0 + 2, W3 = 3 * nL * nL,
                     b3 = 3 * nL * n0 * nL + nL * nL + 2 * 2 * nL + nL * nL;
  // Ψ of (s,t) = (1,0), (2,1), (2,0), (3,2), (3,0), and of the traces (1,1), (2,2).
  CHECK(list.parameter_count(e, d) == e * d * (W1 + b1 + W2 + b2 + W3 + b3) + e * nL + 7 * d * n0 * nL + 7 * d * nL);

  auto of = [&](const char* name) {
    for (int i = 0; i < static_cast<int>(list.parameters().size()); ++i)
      if (list.parameters()[static_cast<std::size_t>(i)].name == name) return i;
    FAIL(name);
    return -1;
  };
  auto check = [](const TermList::Fans& f, std::int64_t fan_in, std::int64_t fan_out) {
    CHECK(f.fan_in == static_cast<double>(fan_in));
    CHECK(f.fan_out == static_cast<double>(fan_out));
  };
  check(list.fans(of("W1.phi1"), e, d), d * n0, e * n0);
  check(list.fans(of("W1.phi4"), e, d), d, e * n0);
  check(list.fans(of("b3.phi2"), e, d), d * nL * n0, e * nL);
  check(list.fans(of("b3.phi5"), e, d), d * 2, e * nL);
  check(list.fans(of("b3.phi8"), e, d), 1, e * nL);
  check(list.fans(of("psi.WW.2.1"), e, d), d * n0 * nL, 1);
  check(list.group_fans(of("W1.phi2"), e, d), d * (3 * n0 + 1), 4 * e * n0);
  check(list.group_fans(of("b2.phi5"), e, d), d * (3 * n0 + 2), 5 * e);
  check(list.group_fans(of("W3.phi1"), e, d), 3 * d * nL, 3 * e * nL);
  check(list.group_fans(of("b3.phi7"), e, d), d * (3 * nL * n0 + 2 * nL + 2 * 2), 7 * e * nL);

  const Space y = Space::parse("y");
  const TermList invariant(space, y, magep_invariant_terms(3));
  CHECK(invariant.parameter_count(e, d) ==
        e * d * (3 * nL * n0 + nL + 2 + 2 + nL) + e + (1 + 2) * d * n0 * nL + (1 + 2) * d * nL);
}

TEST_CASE("terms: taps count as channels of parameters and fans") {
  const Space in = Space::parse("m: fixed(3) W[m; taps=3x2]"), out = Space::parse("m: fixed(3) V[m; taps=2x1]");
  const TermList list(in, out, "V[j] += phi1[p,j] W[p]\nV[j] += phi2[j]");
  CHECK(list.parameters()[0].shape(5, 7) == Shape{10, 42, 3, 3});
  CHECK(list.parameters()[1].shape(5, 7) == Shape{10, 3});
  CHECK(list.fans(0, 5, 7).fan_in == 42 * 3);
  CHECK(list.fans(0, 5, 7).fan_out == 10 * 3);
  CHECK(term_flops(list, 2, 7, 5) == 2. * (2 * 42 * 10 * 3 * 3 + 10 * 3));
}

TEST_CASE("terms: flops count products only, in the cheapest order") {
  const Space space = Space::parse("p: permutation(3); q: permutation(5); r: permutation(7) A[p, q] B[q, r] C[r] y");
  auto flops = [&](const char* text) { return term_flops(TermList(space, space, text), 2, 1, 1); };
  CHECK(flops("y += phi1 A[p,q]") == 2. * 2);  // summed, then scaled
  CHECK(flops("A[j,k] += phi1 A[j,k]") == 2. * 2 * 15);
  CHECK(flops("A[j,k] += phi1 A[p,k] C[r]") == 2. * 2 * (1 + 5));  // (phi C) A
  CHECK(flops("L := A[p,q]") == 2. * 2);
  CHECK(flops("y += phi1 A[p,q] B[q,r] C[r]") == 2. * (2 * 35 + 2 * 5 + 2));  // ((B C) A) phi
}
