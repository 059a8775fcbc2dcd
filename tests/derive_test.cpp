// Derived layers beyond the complete linear ones: along fixed axes, and of degree 2. That the linear ones are complete
// is basis_test's.

#include "weft/groups/derive.h"

#include <algorithm>
#include <sstream>

#include <doctest/doctest.h>

#include "weft/core/error.h"
#include "weft/groups/term.h"
#include "weft/tests/term_checks.h"

using namespace weft;
using namespace weft::testing;

namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::string derived(const Space& space, std::map<std::string, AlongFixed> fixed) {
  const std::string terms = derive_linear(space, space, {.constant = false, .fixed = std::move(fixed)});
  CHECK(TermList(space, space, terms).text() == terms);  // legal, every one
  return terms;
}

}  // namespace

TEST_CASE("along a fixed axis phi may see its places one by one, through a few, or not at all") {
  const Space space = Space::parse("r: GL(2); i, o: fixed(3) A[r, i*] B[o, r*] c[i]");
  CHECK(derived(space, {}) == "A[j,k] += phi1[p,k] A[j,p]\nB[j,k] += phi1[p,j] B[p,k]\nc[j] += phi1[p,j] c[p]\n");
  CHECK(derived(space, {{"i", AlongFixed::diagonal()}}) ==
        "A[j,k] += phi1[k] A[j,k]\nB[j,k] += phi1[p,j] B[p,k]\nc[j] += phi1[j] c[j]\n");
  CHECK(derived(space, {{"i", AlongFixed::alone()}, {"o", AlongFixed::alone()}}) ==
        "A[j,k] += phi1 A[j,k]\nB[j,k] += phi1 B[j,k]\nc[j] += phi1 c[j]\n");
  CHECK(derived(space, {{"i", AlongFixed::low_rank(2)}}) ==
        "A[j,k] += phi1[rank:2,k] psi1[rank,p] A[j,p]\nB[j,k] += phi1[p,j] B[p,k]\nc[j] += phi1[rank:2,j] psi1[rank,p] "
        "c[p]\n");
  const auto refused = [&](std::map<std::string, AlongFixed> fixed, const char* message) {
    CHECK_THROWS_WITH_AS(derived(space, std::move(fixed)), message, UsageError);
  };
  refused({{"r", AlongFixed::alone()}},
          "[derive] option for 'r', which is GL(2); allowed: fixed factors of the spaces");
  refused({{"x", AlongFixed::alone()}},
          "[derive] option for 'x', which is no factor; allowed: fixed factors of the spaces");
  refused({{"i", AlongFixed::low_rank(0)}}, "[derive] rank 0 along 'i' (fixed(3)); allowed: 1 to 3");
  refused({{"i", AlongFixed::low_rank(4)}}, "[derive] rank 4 along 'i' (fixed(3)); allowed: 1 to 3");
}

TEST_CASE("a space of adapters has a usable layer") {
  const Space space = Space::parse("r: GL(8); i, o: fixed(4096) A[r, i*] B[o, r*]");
  const auto count = [&](AlongFixed along) {
    return TermList(space, space, derived(space, {{"i", along}, {"o", along}})).parameter_count(1, 1);
  };
  CHECK(count(AlongFixed::mixed()) == 2 * std::int64_t{4096} * 4096);
  CHECK(count(AlongFixed::low_rank(4)) == 2 * 2 * 4 * 4096);
  CHECK(count(AlongFixed::diagonal()) == 2 * 4096);
  CHECK(count(AlongFixed::alone()) == 2);
}

TEST_CASE("degree 2: every contraction of two features once, as many as linear terms of their product") {
  struct Case {
    const char *factors, *a, *b, *target;  ///< axes
  };
  for (const Case& c :
       {Case{"h: permutation(3); ", "h, h", "h", "h"}, Case{"G: GL(2); c: fixed(2); ", "G, c", "G*, G", "G"},
        Case{"m: positive_monomial(3); ", "m, m*", "m^2, m*", "m^2"}, Case{"s: sign_monomial(3); ", "s, s", "s", "s"},
        Case{"O: orthogonal(3); ", "O, O", "O", "O"}, Case{"h: permutation(2); q: GL(2) per h; ", "h, q", "h, q*", "h"},
        Case{"r: rotary(2); c: fixed(2); ", "r, c", "r*", "c"}}) {
    INFO(c.factors);
    const std::string factors = c.factors, target = std::string(" T[") + c.target + "]";
    const Space in = Space::parse(factors + "A[" + c.a + "] B[" + c.b + "]"), out = Space::parse(factors + target);
    const DerivedQuadratic derived = derive_quadratic(in, out);
    const TermList list(in, out, derived.terms + derived.products);  // legal
    if (!list.terms().empty()) CHECK(equivariance_error(list, RandomKey(1, c.factors)) < 1e-9);
    std::int64_t of_both = 0;
    for (const std::string& line : lines_of(derived.terms + derived.products))
      of_both += line.find(" A") != std::string::npos && line.find(" B") != std::string::npos;
    if (factors.find(" per ") == std::string::npos) {  // a tensor has the axis of its heads once
      const Space product = Space::parse(factors + "P[" + c.a + ", " + c.b + "]");
      CHECK(of_both == std::ssize(lines_of(derive_linear(product, out, {.constant = false}))));
    }
    // None stands twice, whatever its number.
    std::vector<std::string> lines = lines_of(derived.terms + derived.products);
    for (std::string& line : lines)
      line.erase(line.find("phi"), line.find_first_not_of("0123456789", line.find("phi") + 3) - line.find("phi"));
    std::sort(lines.begin(), lines.end());
    CHECK(std::adjacent_find(lines.begin(), lines.end()) == lines.end());
  }
  const Space space = Space::parse("h: permutation(3) b[h]");
  const DerivedQuadratic b = derive_quadratic(space, space);
  CHECK(b.terms == "b[j] += phi1 b[j] b[j]\nb[j] += phi2 b[p] b[p]\n");
  CHECK(b.products == "b[j] += phi3 b[j] b[p]\nb[j] += phi4 b[p] b[q]\n");
  CHECK(b.left_out == 0);
  const DerivedQuadratic two = derive_quadratic(space, space, {}, 2);
  CHECK(two.terms == b.terms);
  CHECK(two.products.empty());
  CHECK(two.left_out == 2);
}

TEST_CASE("degree 2 on attention finds the products of queries and keys, of values and outputs") {
  const Space space = attention_space(6, 2, 3, 3);
  const DerivedQuadratic derived =
      derive_quadratic(space, Space::parse("m: fixed(6) y[m, m]"), {.fixed = {{"m", AlongFixed::alone()}}});
  CHECK(derived.terms.find("y[j,k] += phi1 WQ[p,j,q] WK[p,k,q]") != std::string::npos);
  CHECK(derived.terms.find("WV[p,j,q] WO[p,q,k]") != std::string::npos);
  CHECK(derived.terms.find("WQ[p,k,q] WK[p,j,q]") != std::string::npos);  // and transposed
}

TEST_CASE("too many ways are refused before they are made") {
  const Space space = Space::parse("p: permutation(2) A[p, p, p, p, p] B[p, p, p, p, p]");
  // Where an index stands at two places or at one, there are few ways.
  const Space plain = Space::parse("c: fixed(2) A[c, c, c, c, c]"),
              mixed = Space::parse("G: GL(2) A[G, G*, G, G*, G, G*]");
  CHECK(lines_of(derive_linear(plain, plain, {.constant = false})).size() == 1);
  CHECK(lines_of(derive_linear(mixed, mixed, {.constant = false})).size() == 720);
  CHECK_THROWS_WITH_AS(
      derive_quadratic(space, space),
      "[derive] terms to 'A': more than 100000 ways to give its axes and those of the features indices; "
      "derive for fewer tensors, or with fewer axes of one factor",
      UsageError);
}
