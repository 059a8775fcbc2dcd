// The rule table and the types of axes (spec 1.5, 8.1, 8.4). The operations themselves are tried on every kind in
// ops_test.

#include "weft/groups/rules.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "weft/core/error.h"
#include "weft/groups/space.h"

using namespace weft;

TEST_CASE("the rule table is spec 8.4, row by row") {
  const FactorKind kinds[] = {FactorKind::fixed,         FactorKind::permutation,     FactorKind::positive_monomial,
                              FactorKind::sign_monomial, FactorKind::monomial,        FactorKind::orthogonal,
                              FactorKind::rotary,        FactorKind::rotary_adjacent, FactorKind::GL};
  // x where the row allows it.
  const std::pair<Action, std::string_view> table[] = {
      {Action::reduce, "xx......."},        {Action::broadcast, "xx......."},
      {Action::mix, "xx......."},           {Action::multiply, "xxxxx...."},
      {Action::select, "x........"},        {Action::absolute, "xxxxx...."},
      {Action::normalise, "xxxxx...."},     {Action::normalise_along, "xx.x.x..."},
      {Action::scale, "xxxxxxxxx"},         {Action::pointwise_any, "xx......."},
      {Action::pointwise_odd, "xx.x....."}, {Action::pointwise_homogeneous, "xxx......"},
      {Action::channel_mix, "xxxxxxxxx"},   {Action::add_constant, "xx......."},
  };
  CHECK(std::size(table) == action_count);
  for (std::size_t column = 0; column < std::size(kinds); ++column) {
    const FactorKind kind = kinds[column];
    const Space space = Space::parse(fmt::format("h: {} A[h]", kind->example));
    for (const auto& [action, allowed] : table) {
      INFO(kind->name);
      const std::string reason = refusal(action, kind, "op");
      CHECK(reason.empty() == (allowed[column] == 'x'));
      CHECK(reason.find('{') == std::string::npos);
      if (reason.empty()) {
        CHECK_NOTHROW(require(action, "op", "T", space.type(0)));
      } else {
        const std::string message = fmt::format("[op] tensor 'T', axis 0 'h' ({}): {}", kind->example, reason);
        CHECK_THROWS_WITH_AS(require(action, "op", "T", space.type(0)), message.c_str(), TypeError);
      }
      CHECK_NOTHROW(require(action, "op", "T", Type::plain(3)));  // a free axis never moves
    }
  }
}

TEST_CASE("the rule table in words names what is left of an axis") {
  const std::string table = rule_table();
  CHECK(table.starts_with("sum, mean over the axis\n    fixed permutation\n"));
  CHECK(table.find("abs: signs are forgotten\n    fixed permutation positive_monomial sign_monomial (then permutation) "
                   "monomial (then "
                   "positive_monomial)\n") != std::string::npos);
  CHECK(table.find("scales are forgotten\n    fixed permutation positive_monomial (then permutation) sign_monomial "
                   "monomial (then "
                   "sign_monomial)\n") != std::string::npos);
}

TEST_CASE("an axis is judged by what scales it, not by its root") {
  const Space space = Space::parse(
      "s: permutation(3); n: monomial(3) along s; t: positive_monomial(3) along s; e: sign_monomial(3) along s; c: "
      "fixed(3); u: "
      "positive_monomial(3) along c; m: monomial(3) A[s] B[n] C[t] D[e] E[t&e] F[n&t^0] G[e^2] H[u] I[u^0] J[m^0] "
      "K[m^2] L[t&e^2]");
  const std::pair<const char*, FactorKind> kinds[] = {
      {"A", FactorKind::permutation},   {"B", FactorKind::monomial},          {"C", FactorKind::positive_monomial},
      {"D", FactorKind::sign_monomial}, {"E", FactorKind::monomial},          {"F", FactorKind::monomial},
      {"G", FactorKind::permutation},   {"H", FactorKind::positive_monomial}, {"I", FactorKind::fixed},
      {"J", FactorKind::permutation},   {"K", FactorKind::positive_monomial}, {"L", FactorKind::positive_monomial}};
  for (const auto& of_axis : kinds) {
    INFO(of_axis.first);
    CHECK(space.type(space.tensor(of_axis.first))[0].kind() == of_axis.second);
  }
  const auto axis = [&](const char* name) { return space.type(space.tensor(name))[0]; };
  CHECK(axis("G") == axis("A"));  // signs count modulo 2
  CHECK(axis("K").without_signs() == axis("K"));
  CHECK(axis("B").without_signs().kind() == FactorKind::positive_monomial);
  CHECK(axis("B").without_magnitudes().kind() == FactorKind::sign_monomial);
  CHECK(axis("E").without_signs() == axis("C"));
  CHECK(axis("E").without_magnitudes() == axis("D"));
  CHECK(axis("B").times(axis("B")).str() == "n^2");
  CHECK(axis("B").times(axis("B").dual()) == axis("A"));
  CHECK(axis("C").times(axis("D")) == axis("E"));
  CHECK(axis("E").dual().str() == "t*&e*");
  CHECK(axis("B").without_signs().str() == "|n|^1");
  CHECK(axis("B").without_magnitudes().str() == "sign(n)");
  CHECK(axis("J").str() == "m^0");
}

TEST_CASE("a product of two features adds their degrees, a contraction needs degrees that cancel") {
  const Space space = Space::parse("h: positive_monomial(2); p: permutation(2) M[h*] V[h^-2] W[h] Q[h^2] P[p] A[h^0]");
  const auto type = [&](const char* name) { return space.type(space.tensor(name)); };
  const auto times = [&](const char* a, const char* b) { return multiplied("mul", a, type(a), 0, b, type(b), 0); };
  CHECK(times("W", "W") == type("Q")[0]);
  CHECK(times("M", "W") == type("A")[0]);
  CHECK(times("M", "M") == type("V")[0]);
  CHECK_THROWS_WITH_AS(
      times("W", "P"),
      "[mul] tensor 'W', axis 0 'h' (positive_monomial(2)): kept together with axis 0 'p' of 'P'; both must "
      "transform alike",
      TypeError);
  const auto contracts = [&](const char* a, const char* b) {
    require_contractible("contract", a, type(a), 0, b, type(b), 0);
  };
  CHECK_NOTHROW(contracts("M", "W"));
  CHECK_NOTHROW(contracts("Q", "V"));
  CHECK_NOTHROW(contracts("A", "A"));
  CHECK_THROWS_WITH_AS(
      contracts("V", "W"),
      "[contract] tensor 'V', axis 0 'h^-2' (positive_monomial(2)): contracted with axis 0 'h' of tensor 'W'; "
      "allowed: degrees that cancel",
      TypeError);
}

TEST_CASE("what goes along heads is refused as long as an axis per head remains") {
  const Space space =
      Space::parse("h: permutation(2); r: permutation(3) per h; b: fixed(2); q: GL(2) per b A[h, r] B[b, q]");
  for (const Action action : {Action::reduce, Action::mix, Action::normalise_along}) {
    CHECK_NOTHROW(require_along(action, "op", "A", space.type(0), 1));
    CHECK_THROWS_WITH_AS(
        require_along(action, "op", "A", space.type(0), 0),
        "[op] tensor 'A', axis 0 'h' (permutation(2)): axis 'r' is per h, which op would forget; contract it first",
        TypeError);
  }
  CHECK_NOTHROW(require(Action::mix, "op", "A", space.type(0)));  // of every number by itself
  CHECK_THROWS_WITH_AS(
      require_along(Action::select, "slice", "B", space.type(1), 0),
      "[slice] tensor 'B', axis 0 'b' (fixed(2)): axis 'q' is per b, which slice would forget; contract it first",
      TypeError);
}

TEST_CASE("a product of axes with copies needs copies of one factor") {
  const Space space = Space::parse(
      "h, k: permutation(2); c: fixed(3); n: monomial(3) per h along c; m: monomial(3) per k along c; t: monomial(3) "
      "along c "
      "A[h, n] B[k, m] C[t]");
  CHECK(multiplied("mul", "A", space.type(0), 1, "C", space.type(2), 0).str() == "n&t");
  CHECK_THROWS_WITH_AS(
      multiplied("mul", "A", space.type(0), 1, "B", space.type(1), 1),
      "[mul] tensor 'A', axis 1 'n' (fixed(3); n: monomial(3) per h along c): multiplied with axis 1 'm' of 'B', "
      "which is per k, not per h; allowed: copies of one factor",
      TypeError);
}

TEST_CASE("add and concat need equal types; a gradient is no weight without a metric") {
  const Space space = Space::parse(
      "h1, h2: positive_monomial(2); p: permutation(2); s: sign_monomial(2); G: GL(2) A[h1] B[h2] C[h1*] P[p] Q[p*] "
      "S[s] "
      "T[s*] X[G] Y[G*] Z[h1, p]");
  auto type = [&](const char* name) { return space.type(space.tensor(name)); };
  CHECK_NOTHROW(require_equal("add", "A", type("A"), "A", type("A")));
  CHECK_NOTHROW(require_equal("add", "P", type("P"), "Q", type("Q")));  // self-dual: roles are one
  CHECK_NOTHROW(require_equal("add", "S", type("S"), "T", type("T").dual()));
  CHECK_THROWS_WITH_AS(
      require_equal("add", "A", type("A"), "B", type("B")),
      "[add] tensor 'A', axis 0 'h1' (positive_monomial(2)): axis 'h2' of tensor 'B' stands against it; "
      "both must transform alike",
      TypeError);
  CHECK_THROWS_WITH_AS(require_equal("add", "A", type("A"), "Z", type("Z")),
                       "[add] tensor 'A' has type [., ., h1], tensor 'Z' [., ., h1, p]; both must transform alike",
                       TypeError);
  const auto no_metric = [](const char* at, const char* dual, const char* factor) {
    return std::string("[add] ") + at + ": '" + dual +
           " is its dual, as a gradient is of its weight (it transforms by g^-T), and no metric that turns one into "
           "the "
           "other is invariant under " +
           factor + "; contract them, or take plain tensors where a metric is chosen, as an optimiser does";
  };
  CHECK_THROWS_WITH_AS(require_equal("add", "A", type("A"), "C", type("C")),
                       no_metric("tensor 'A', axis 0 'h1' (positive_monomial(2))", "h1*' of tensor 'C'", "h1").c_str(),
                       TypeError);
  CHECK_THROWS_WITH_AS(require_equal("add", "X", type("X"), "grad X", type("X").dual()),
                       no_metric("tensor 'X', axis 0 'G' (GL(2))", "G*' of tensor 'grad X'", "G").c_str(), TypeError);
  CHECK(type("X").dual() == type("Y"));
}

TEST_CASE("contraction: the same factor, opposite roles unless it is self-dual; fixed with fixed always") {
  const Space space = Space::parse(
      "f, f2: fixed(2); h1, h2: positive_monomial(2); p, p2: permutation(2); s: sign_monomial(2); G: GL(2) "
      "A[h1] B[h2] C[h1*] P[p] P2[p2] S[s] X[G] Y[G*] F[f] F2[f2]");
  auto check = [&](const char* a, const char* b) {
    require_contractible("contract", a, space.type(space.tensor(a)), 0, b, space.type(space.tensor(b)), 0);
  };
  for (const auto& [a, b] :
       {std::pair{"A", "C"}, {"C", "A"}, {"X", "Y"}, {"P", "P"}, {"S", "S"}, {"F", "F"}, {"F", "F2"}})
    CHECK_NOTHROW(check(a, b));
  CHECK_THROWS_WITH_AS(
      check("P", "P2"),
      "[contract] tensor 'P', axis 0 'p' (permutation(2)): contracted with axis 0 'p2' (permutation(2)) of "
      "tensor 'P2'; allowed: the same factor",
      TypeError);
  for (const auto& [a, at] : {std::pair{"A", "'h1' (positive_monomial(2))"}, {"X", "'G' (GL(2))"}})
    CHECK_THROWS_WITH_AS(check(a, a),
                         (std::string("[contract] tensor '") + a + "', axis 0 " + at + ": contracted with axis 0 '" +
                          std::string(at).substr(1, std::string(at).find('\'', 1) - 1) + "' of tensor '" + a +
                          "' in the same role; allowed: a vector with a covector")
                             .c_str(),
                         TypeError);
  CHECK_THROWS_WITH_AS(check("A", "B"),
                       "[contract] tensor 'A', axis 0 'h1' (positive_monomial(2)): contracted with axis 0 'h2' "
                       "(positive_monomial(2)) of tensor 'B'; allowed: the same factor",
                       TypeError);
}

TEST_CASE("types: roles count unless the factor is self-dual, factors count by name, size and heads") {
  const Space space = Space::parse(
      "h: permutation(2); q: GL(2) per h; m: positive_monomial(2); s: sign_monomial(2) A[m] B[m*] S[s] T[s*] Q[h, q]");
  CHECK(!(space.type(0) == space.type(1)));
  CHECK(space.type(2) == space.type(3));
  CHECK(space.type(0).dual() == space.type(1));
  CHECK(space.type(4).dual().str() == "[., ., h*, q*]");
  CHECK(space.type(4).head_of(1) == 0);
  CHECK(space.type(4).head_of(0) == -1);
  CHECK(!space.type(0).plain());
  CHECK(Type::plain(3).plain());
  CHECK(Type::plain(3).str() == "[., ., .]");
  CHECK(!(Type::plain(3) == space.type(0)));
  CHECK(!(Type::plain(2) == Type::plain(3)));
  CHECK(space.type(0).of_dimension(2) == space.type(0)[0]);
  CHECK(space.type(0).of_dimension(0).factor == nullptr);
  CHECK(Axis{}.str() == ".");
  // Another space's factor of the same name is the same one if it acts alike.
  auto first = [](const Space& s) { return s.type(0)[0]; };
  const Space three = Space::parse("m: positive_monomial(3) A[m]"),
              again = Space::parse("m: positive_monomial(2) A[m]"),
              heads = Space::parse("h: permutation(2); m: positive_monomial(2) per h A[m, h]"),
              other = Space::parse("m: sign_monomial(2) A[m]");
  CHECK(first(space) == first(again));
  CHECK(!(first(space) == first(three)));
  CHECK(!(first(space) == first(heads)));
  CHECK(!(first(space) == first(other)));
  // An operation that weakens an axis leaves the permutation of another space.
  Type weakened = other.type(0);
  weakened[0] = weakened[0].without_signs();
  const Space plain = Space::parse("m: permutation(2) A[m]");
  CHECK(weakened == plain.type(0));
  Type long_type(2);
  for (int i = 0; i < Type::max_axes; ++i) long_type.push_back(first(space));
  CHECK_THROWS_WITH_AS(long_type.push_back(first(space)), "[type] more than 8 axes", ShapeError);
}
