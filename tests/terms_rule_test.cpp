// The rule of typed terms (spec 7.2) against random group elements, in both directions.

#include <array>
#include <optional>

#include <doctest/doctest.h>

#include "weft/tests/random_terms.h"
#include "weft/tests/term_checks.h"

using namespace weft;
using namespace weft::testing;

namespace {

bool accepted(const TermList& list) { return !list.refusal(static_cast<int>(list.terms().size()) - 1); }

}  // namespace

TEST_CASE("100000 random terms: what the rule accepts commutes with the group, what it refuses does not") {
  const std::vector<Space> spaces = spaces_for_terms();
  std::uint64_t seed = 0;
  // What the generator reached: it must not wither away unseen.
  std::vector<std::array<int, 2>> answers(spaces.size());
  int lets = 0, means = 0, diagonals = 0, degrees[4] = {};
  for (std::size_t n = 0; n < 100000; ++n) {
    const std::size_t which = n % spaces.size();
    const Space& space = spaces[which];
    // Both answers in equal numbers, nearly: terms are drawn until one has the answer whose turn it is, or fifty have
    // not.
    const bool wanted = n / spaces.size() % 2;
    RandomTerms terms;
    std::optional<TermList> list;
    for (int trial = 0; trial < 300; ++trial) {
      do terms = random_terms(space, RandomKey(++seed, "random terms"));
      while (terms.two_fixed);
      list.emplace(space, space, terms.text, true);
      if (accepted(*list) == wanted) break;
    }
    const bool yes = accepted(*list);
    const double error = equivariance_error(*list, RandomKey(seed, "random elements"));
    CHECK_MESSAGE((yes ? error < 1e-9 : error > 1e-4), space.str(), "\n", terms.text, yes ? "accepted" : "refused",
                  ", breaks equivariance by ", error);
    ++answers[which][yes];
    if (!yes) continue;
    lets += terms.lets;
    means += terms.mean;
    diagonals += terms.diagonal;
    ++degrees[terms.degree];
  }
  for (std::size_t i = 0; i < spaces.size(); ++i)
    CHECK_MESSAGE((answers[i][0] > 1300 && answers[i][1] > 1300), spaces[i].str(), answers[i][0], " refused, ",
                  answers[i][1], " accepted");
  CHECK(lets > 3000);
  CHECK(means > 4000);
  CHECK(diagonals > 3000);
  for (int n : degrees) CHECK(n > 5000);
}

TEST_CASE("an index over two fixed factors is refused as a mistake, though nothing moves there") {
  const Space space = Space::parse("in: fixed(3); out: fixed(3); p: permutation(4) W[in, out] A[p, in] s");
  for (const char* text : {"s += phi1 W[j,j]", "A[p,k] += phi1 W[j,k]", "A[p,j] += phi1 A[p,k] W[k,j]"}) {
    const TermList list(space, space, text, true);
    CHECK(list.refusal(0).has_value());
    CHECK(equivariance_error(list, RandomKey(1, text)) < 1e-9);
  }
}

TEST_CASE("a let that forgets its heads is refused, though a later sum might forget them too") {
  // Lets are decided one by one: each must have a type of its own.
  const Space space = Space::parse("h: permutation(2); r: permutation(3) per h A[h, r] s");
  const TermList list(space, space, "L[r] := A[h,r]\ns += phi1 L[r]", true);
  CHECK(list.refusal(0).has_value());
  CHECK(!list.refusal(1).has_value());
  CHECK(equivariance_error(list, RandomKey(1, "forgotten heads")) < 1e-9);
}
