#include <algorithm>
#include <climits>
#include <cmath>

#include <Eigen/Dense>
#include <doctest/doctest.h>

#include "weft/core/difference.h"
#include "weft/groups/element.h"
#include "weft/groups/rules.h"
#include "weft/ops/act.h"
#include "weft/tests/random_space.h"

using namespace weft;
using namespace weft::testing;

namespace {

constexpr const char* dense_text =
    "# a space: factors, then tensors with their axes\n"
    "in: fixed(1); out: fixed(10); h1, h2: positive_monomial(16)        W1[h1, in*; taps=3x3] b1[h1] W2[h2, h1*] "
    "b2[h2] W3[out, h2*] b3[out]";
constexpr const char* attention_text =
    "h: permutation(2); q, v: GL(16) per h; m: fixed(32); s: permutation(32); a: permutation(64)\n"
    "WQ[h, m, q] WK[h, m, q*] WV[h, m, v] WO[h, v*, s] WA[s*, a] bA[a] WB[a*, m] bB[m]";

using Weights = std::vector<Tensor>;

Weights random_features(const Space& space, RandomKey key, DType dtype = DType::f64) {
  Weights x;
  for (int i = 0; i < static_cast<int>(space.tensors().size()); ++i) {
    x.push_back(Tensor::zeros(space.feature_shape(i, 2, 2), dtype));
    fill_normal(x.back(), key.at(static_cast<std::uint64_t>(i)));
  }
  return x;
}

double dot(const Weights& a, const Weights& b, bool absolute) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    for (std::size_t k = 0; k < a[i].span<double>().size(); ++k) {
      const double product = a[i].span<double>()[k] * b[i].span<double>()[k];
      sum += absolute ? std::abs(product) : product;
    }
  return sum;
}

/// Every element of the group: not even the identity permutation is left out.
constexpr ElementRange whole_group{0.4, 2.5, 10, false};

}  // namespace

TEST_CASE("spaces: the examples of spec 7.1 print in canonical form and parse back") {
  const Space dense = Space::parse(dense_text), attention = Space::parse(attention_text);
  CHECK(dense.str() ==
        "in: fixed(1); out: fixed(10); h1: positive_monomial(16); h2: positive_monomial(16) W1[h1, in*; taps=3x3] "
        "b1[h1] W2[h2, h1*] b2[h2] W3[out, h2*] b3[out]");
  CHECK(attention.str() ==
        "h: permutation(2); q: GL(16) per h; v: GL(16) per h; m: fixed(32); s: permutation(32); a: permutation(64) "
        "WQ[h, m, q] WK[h, m, q*] WV[h, m, v] WO[h, v*, s] WA[s*, a] bA[a] WB[a*, m] bB[m]");
  CHECK(Space::parse(dense.str()) == dense);
  CHECK(Space::parse(attention.str()) == attention);
  CHECK(dense.parameters() == 9 * 16 + 16 + 16 * 16 + 16 + 10 * 16 + 10);
  CHECK(dense.tensors()[0].taps() == 9);
  CHECK(dense.feature_shape(0, 5, 2) == Shape{5, 18, 16, 1});
  CHECK(attention.type(3).str() == "[., ., h, v*, s]");
}

TEST_CASE("spaces: white space, comments and the optional ';' before the tensors are free") {
  const Space expected = Space::parse("h: permutation(2); q: GL(3) per h W[h, q*; taps=2x1] y");
  for (const char* text : {"h:permutation(2);q:GL(3)per h W[h,q*;taps=2x1]y",
                           "h : permutation ( 2 ) ;\n\tq : GL ( 3 ) per\n h ; W [ h , q * ; taps = 2 x 1 ] y # end",
                           "#first\nh: permutation(2); # heads\nq: GL(3) per# of them\nh\r\nW[h, q*; taps=2x1]\ny\n"})
    CHECK_MESSAGE(Space::parse(text) == expected, text);
  // Only the whole word `per` is one.
  const Space names = Space::parse("h: permutation(2); q: GL(3) perform[q, h]");
  CHECK(names.factors()[1].per.empty());
  CHECK(names.tensors()[0].name == "perform");
}

TEST_CASE("spaces: builders follow their spec, and parse back") {
  const std::int64_t widths[] = {3, 5, 4, 2};
  const std::array<std::int64_t, 2> taps[] = {{3, 3}, {1, 2}, {1, 1}};
  CHECK(mlp_space(widths, FactorKind::sign_monomial).str() ==
        "in: fixed(3); h1: sign_monomial(5); h2: sign_monomial(4); out: fixed(2) W1[h1, in*] b1[h1] W2[h2, h1*] b2[h2] "
        "W3[out, h2*] b3[out]");
  CHECK(cnn_space(widths, taps, FactorKind::positive_monomial).str() ==
        "in: fixed(3); h1: positive_monomial(5); h2: positive_monomial(4); out: fixed(2) W1[h1, in*; taps=3x3] b1[h1] "
        "W2[h2, h1*; taps=1x2] b2[h2] W3[out, h2*] b3[out]");
  CHECK(transformer_space({6, 5, 3, 4, 2}, false).str() ==
        "h: permutation(3); q: GL(4) per h; v: GL(2) per h; m: fixed(6); s: permutation(6); a: permutation(5) "
        "WQ[h, m, q] WK[h, m, q*] WV[h, m, v] WO[h, v*, s] WA[s*, a] bA[a] WB[a*, m] bB[m]");
  CHECK(transformer_space({6, 5, 3, 4, 2, 2}, true).str() ==
        "s: permutation(6); h.0: permutation(3); q.0: GL(4) per h.0; v.0: GL(2) per h.0; a.0: permutation(5); "
        "h.1: permutation(3); q.1: GL(4) per h.1; v.1: GL(2) per h.1; a.1: permutation(5) "
        "WQ.0[h.0, s*, q.0] WK.0[h.0, s*, q.0*] WV.0[h.0, s*, v.0] WO.0[h.0, v.0*, s] WA.0[s*, a.0] bA.0[a.0] "
        "WB.0[a.0*, s] bB.0[s] "
        "WQ.1[h.1, s*, q.1] WK.1[h.1, s*, q.1*] WV.1[h.1, s*, v.1] WO.1[h.1, v.1*, s] WA.1[s*, a.1] bA.1[a.1] "
        "WB.1[a.1*, s] bB.1[s]");
  const Space vision = transformer_network_space({6, 5, 3, 4, 2, 2}, {16, 7, 10});
  CHECK(vision.str() ==
        "h.0: permutation(3); q.0: GL(4) per h.0; v.0: GL(2) per h.0; m.0: fixed(6); s.0: permutation(6); "
        "a.0: permutation(5); h.1: permutation(3); q.1: GL(4) per h.1; v.1: GL(2) per h.1; m.1: fixed(6); "
        "s.1: permutation(6); a.1: permutation(5); c: positive_monomial(7); out: fixed(10); e: fixed(16) "
        "WE[e, m.0] bE[m.0] "
        "WQ.0[h.0, m.0, q.0] WK.0[h.0, m.0, q.0*] WV.0[h.0, m.0, v.0] WO.0[h.0, v.0*, s.0] WA.0[s.0*, a.0] bA.0[a.0] "
        "WB.0[a.0*, m.0] bB.0[m.0] "
        "WQ.1[h.1, m.1, q.1] WK.1[h.1, m.1, q.1*] WV.1[h.1, m.1, v.1] WO.1[h.1, v.1*, s.1] WA.1[s.1*, a.1] bA.1[a.1] "
        "WB.1[a.1*, m.1] bB.1[m.1] W1[c, m.1*] b1[c] W2[out, c*] b2[out]");
  CHECK(transformer_network_space({6, 5, 3, 4, 2, 2}, {0, 7, 4}).find_tensor("WE") == -1);
  CHECK_THROWS_WITH_AS(transformer_network_space({6, 5, 3, 4, 2}, {16, 7, 10}), "[space] 1 blocks; allowed: 2 or more",
                       UsageError);
  for (int blocks = 1; blocks <= 3; ++blocks)
    for (bool residual : {false, true}) {
      const Space space = transformer_space({6, 5, 3, 4, 2, blocks}, residual);
      CHECK(Space::parse(space.str()) == space);
      CHECK(space.parameters() == blocks * (2 * 3 * 6 * 4 + 2 * 3 * 6 * 2 + 2 * 6 * 5 + 5 + 6));
    }
  for (FactorKind kind : {FactorKind::permutation, FactorKind::positive_monomial, FactorKind::sign_monomial})
    for (std::size_t layers = 2; layers <= 3; ++layers) {
      const Space mlp = mlp_space(std::span(widths).first(layers + 1), kind),
                  cnn = cnn_space(std::span(widths).first(layers + 1), std::span(taps).first(layers), kind);
      CHECK(Space::parse(mlp.str()) == mlp);
      CHECK(Space::parse(cnn.str()) == cnn);
    }
  CHECK(mlp_space(widths, FactorKind::sign_monomial).with_kind(FactorKind::sign_monomial, FactorKind::permutation) ==
        mlp_space(widths, FactorKind::permutation));
  CHECK_THROWS_WITH_AS(mlp_space(std::span(widths).first(2), FactorKind::permutation),
                       "[space] 2 widths; allowed: 3 or more (two layers)", UsageError);
  CHECK_THROWS_WITH_AS(mlp_space({}, FactorKind::permutation), "[space] 0 widths; allowed: 3 or more (two layers)",
                       UsageError);
  CHECK_THROWS_WITH_AS(cnn_space(widths, std::span(taps).first(2), FactorKind::permutation),
                       "[space] taps of 2 layers for 3 layers", UsageError);
}

TEST_CASE("spaces: degrees, characters and anonymous axes print as they are read") {
  const char* text =
      "s: sign_monomial(4); n: monomial(4) along s; p: fixed(3); k: permutation(2); z: sign_monomial(3) per k along p; "
      "h: "
      "positive_monomial(5); r: rotary(4) per k; fixed.7: fixed(7) E[n, s&n*, s^0] W[k, z, h^-2] V[h*, h^0, h^3] Q[k, "
      "r, r*] "
      "T[fixed.7, s]";
  CHECK(Space::parse(text).str() == text);
  // Declarations stand where they are needed, with or without semicolons.
  CHECK(Space::parse("in: fixed(1)\nout: fixed(2) W[out, in*]\nh: GL(2); A[h]").str() ==
        "in: fixed(1); out: fixed(2); h: GL(2) W[out, in*] A[h]");
  CHECK(Space::parse("h: monomial(2) A[h^1, h^-1, 3; taps=2x2] B[3]").str() ==
        "h: monomial(2); fixed.3: fixed(3) A[h, h*, fixed.3; taps=2x2] B[fixed.3]");
}

TEST_CASE("spaces: 1000 random ones parse back") {
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    const Space space = random_space(RandomKey(seed, "round trip"));
    CHECK_MESSAGE(Space::parse(space.str()) == space, space.str());
  }
}

TEST_CASE("spaces: mangled text is refused or reads as it prints") {
  int read = 0;
  for (std::uint64_t seed = 0; seed < 20000; ++seed) {
    Draw draw(RandomKey(seed, "mangled"));
    const std::string text = mangled(seed % 2 ? dense_text : attention_text, draw);
    try {
      const Space space = Space::parse(text);
      CHECK_MESSAGE(Space::parse(space.str()) == space, text);
      ++read;
    } catch (const ParseError&) {}
  }
  CHECK(read > 1000);
  CHECK(read < 10000);
}

TEST_CASE("spaces: every parse error, word for word") {
  const std::pair<const char*, const char*> cases[] = {
      {"", "[space] line 1, column 1: expected at least one tensor, found 'end'"},
      {"h: fixed(2);\n", "[space] line 2, column 1: expected at least one tensor, found 'end'"},
      {"3", "[space] line 1, column 1: expected a name of a factor or tensor, found '3'"},
      {"h, 2: fixed(2) W[h]", "[space] line 1, column 4: expected a name of a factor, found '2: fixed(2) '"},
      {"h, g fixed(2) W[h]",
       "[space] line 1, column 6: expected ':' behind the names of factors, found 'fixed(2) W[h'"},
      {"h: rotation(2) W[h]", "[space] line 1, column 4: expected a kind (KINDS), found 'rotation(2) '"},
      {"h: (2) W[h]", "[space] line 1, column 4: expected a kind (KINDS), found '(2) W[h]'"},
      {"h: fixed 2 W[h]", "[space] line 1, column 10: expected '(' before a factor's size, found '2 W[h]'"},
      {"h: fixed(-2) W[h]", "[space] line 1, column 10: expected a number as a factor's size, found '-2) W[h]'"},
      {"h: fixed(2 W[h]", "[space] line 1, column 12: expected ')' behind a factor's size, found 'W[h]'"},
      {"h: fixed(99999999999) W[h]",
       "[space] line 1, column 20: a number too large as a factor's size; allowed: at most 2147483647, found '9) "
       "W[h]'"},
      {"h: permutation(2); q: GL(2) per 3 W[h]",
       "[space] line 1, column 33: expected a name of the head factor, found '3 W[h]'"},
      {"h: fixed(2)\n W[h, g*]",
       "[space] line 2, column 7: expected a declared factor as axis of tensor 'W', found 'g*]'"},
      {"h: fixed(2) W[]", "[space] line 1, column 15: expected a declared factor as axis of tensor 'W', found ']'"},
      {"h: fixed(2) W[h", "[space] line 1, column 16: expected ']' behind a tensor's axes, found 'end'"},
      {"h: fixed(2) W[h; tap=2x2]",
       "[space] line 1, column 18: expected 'taps' behind ';' in a tensor, found 'tap=2x2]'"},
      {"h: fixed(2) W[h; taps 2x2]", "[space] line 1, column 23: expected '=' behind 'taps', found '2x2]'"},
      {"h: fixed(2) W[h; taps=x2]", "[space] line 1, column 23: expected a number of tap rows, found 'x2]'"},
      {"h: fixed(2) W[h; taps=2]", "[space] line 1, column 24: expected 'x' between tap rows and columns, found ']'"},
      {"h: fixed(2) W[h; taps=2x]", "[space] line 1, column 25: expected a number of tap columns, found ']'"},
      {"h: fixed(2) W[h]\n# comment\n; b",
       "[space] line 3, column 1: expected a name of a factor or tensor, found '; b'"},
      // What is wrong with the meaning has no place.
      {"h, h: fixed(2) W[h]", "[space] factor 'h' is declared twice"},
      {"h: fixed(0) W[h]", "[space] factor 'h' has size 0; allowed: 1 to 2147483647"},
      {"h: fixed(2) W[h] W[h]", "[space] tensor 'W' is declared twice"},
      {"h: fixed(2) W[h; taps=0x3]", "[space] tensor 'W' has taps 0x3; allowed: 1x1 or more"},
      {"per: fixed(2) W[per]",
       "[space] factor 'per'; allowed as a name: a letter, then letters, digits, '_' and '.', but not 'per' or "
       "'along'"},
      {"h: fixed(2) W[h] per[h]",
       "[space] tensor 'per'; allowed as a name: a letter, then letters, digits, '_' and '.', but not 'per' or "
       "'along'"},
      {"q: GL(2) per h W[q]", "[space] factor 'q' is per 'h', which is not declared"},
      {"h: permutation(2); m: fixed(2) per h W[h, m]",
       "[space] factor 'm' is fixed and per 'h'; a fixed axis needs no copies"},
      {"h: positive_monomial(2); q: GL(2) per h W[h, q]",
       "[space] factor 'q' is per 'h' (positive_monomial(2)); allowed: a permutation or a fixed factor that is itself "
       "per "
       "nothing"},
      {"h: permutation(2); r: permutation(2) per h; q: GL(2) per r W[h, r, q]",
       "[space] factor 'q' is per 'r' (permutation(2) per h); allowed: a permutation or a fixed factor "
       "that is itself per nothing"},
      {"h: permutation(2); q: GL(2) per h W[q]",
       "[space] tensor 'W' has an axis 'q' per h and 0 axes 'h'; allowed: exactly one"},
      {"h: permutation(2); q: GL(2) per h W[h, q, h]",
       "[space] tensor 'W' has an axis 'q' per h and 2 axes 'h'; allowed: exactly one"},
      // Degrees, characters and factors along others.
      {"h: monomial(2) W[h^]", "[space] line 1, column 20: expected a number as a degree, found ']'"},
      {"h: monomial(2) W[h&]",
       "[space] line 1, column 20: expected a declared factor as axis of tensor 'W', found ']'"},
      {"h: monomial(2); n: monomial(2) along 3 W[h]",
       "[space] line 1, column 38: expected a name of the factor whose places it scales, found '3 W[h]'"},
      {"h: monomial(2) W[h^17]", "[space] tensor 'W' has an axis 'h^17' of degree 17; allowed: -16 to 16"},
      {"q: GL(2) W[q^2]", "[space] tensor 'W' has an axis 'q^2' of degree 2; allowed for GL: 1 and -1"},
      {"q: rotary(2) W[q^0]", "[space] tensor 'W' has an axis 'q^0' of degree 0; allowed for rotary: 1 and -1"},
      {"q, r: GL(2) W[q&r]",
       "[space] tensor 'W' has an axis 'q&r', but 'q' (GL(2)) has no places to scale; allowed: it alone"},
      {"g, h: monomial(2) W[g&h]",
       "[space] tensor 'W' has an axis 'g&h' of 'g' and 'h'; allowed: factors along one root"},
      {"s: permutation(2); a, b, c, d, e: monomial(2) along s W[a&b&c&d&e]",
       "[space] tensor 'W' has an axis 'a&b&c&d&e' of 5 factors; allowed: up to 4"},
      {"n: monomial(2) along s W[n]", "[space] factor 'n' is along 's', which is not declared"},
      {"s, n: permutation(2); p: permutation(2) along s W[p]",
       "[space] factor 'p' (permutation(2) along s) is along 's' and scales nothing; allowed: a monomial kind"},
      {"s: permutation(3); n: monomial(2) along s W[n]",
       "[space] factor 'n' (monomial(2) along s) is along 's' (permutation(3)); allowed: places of its own size, with "
       "an "
       "order of their own"},
      {"s: GL(2); n: monomial(2) along s W[n]",
       "[space] factor 'n' (monomial(2) along s) is along 's' (GL(2)); allowed: places of its own size, with an order "
       "of "
       "their own"},
      {"s: permutation(2); n: monomial(2) along s; m: monomial(2) along n W[m]",
       "[space] factor 'm' (monomial(2) along n) is along 'n' (monomial(2) along s); allowed: places of its own size, "
       "with "
       "an order of their own"},
      {"h, s: permutation(2); n: monomial(2) per h along s W[h, n]",
       "[space] factor 'n' (monomial(2) per h along s) is per 'h' along 's' (permutation(2)), whose copies it takes; "
       "allowed: a per of its own along a fixed factor"},
      {"h, k, c: fixed(2); n: monomial(2) per h along c; m: monomial(2) per k along c W[h, k, n&m]",
       "[space] tensor 'W' has an axis 'n&m' per h and per k; allowed: one"},
      {"c: fixed(2); h: permutation(2); n: monomial(2) per h along c W[n]",
       "[space] tensor 'W' has an axis 'n' per h and 0 axes 'h'; allowed: exactly one"},
      {"h: positive_monomial(4) A[h&h]",
       "[space] tensor 'A' has an axis 'h&h', which names 'h' twice; allowed: one degree"},
      {"p: fixed(3); z: sign_monomial(3) per p along p A[z]",
       "[space] factor 'z' (sign_monomial(3) per p along p) is per the places that it is along; allowed: per another "
       "factor"},
      {"fixed.3: permutation(3) A[3]",
       "[space] line 1, column 28: an axis of 3 places needs a factor 'fixed.3', which is permutation(3); rename that "
       "one, "
       "found ']'"},
      {"r: rotary(3) W[r]", "[space] factor 'r' (rotary(3)) has an odd size; allowed: pairs of places"},
  };
  std::string kinds;
  for (const FactorKind kind : all_kinds) kinds += (kinds.empty() ? "" : ", ") + std::string(kind->name);
  for (const auto& [text, expected] : cases) {
    std::string message = expected;
    if (const auto at = message.find("KINDS"); at != std::string::npos) message.replace(at, 5, kinds);
    CHECK_THROWS_WITH_AS(Space::parse(text), message.c_str(), ParseError);
  }
}

TEST_CASE("spaces: sizes beyond what can be counted are refused, with the limit") {
  auto refuses = [](const std::string& text, const char* message) {
    CHECK_THROWS_WITH_AS(Space::parse(text), message, ParseError);
  };
  refuses(
      "h: fixed(2147483648) W[h, h]",
      "[space] line 1, column 20: a number too large as a factor's size; allowed: at most 2147483647, found ') W[h, "
      "h]'");
  refuses("h: fixed(2147483647) W[h, h]",
          "[space] tensor 'W' of 2147483647 x 2147483647 numbers is too large; allowed: fewer than 2^60 numbers in all "
          "tensors, so that 64 bits count their bytes");
  refuses("h: fixed(1073741824) V[h] W[h, h]",
          "[space] tensor 'W' of 1073741824 x 1073741824 numbers is too large; allowed: fewer than 2^60 numbers in all "
          "tensors, so that 64 bits count their bytes");
  refuses("h: fixed(65536) W[h, h; taps=65536x65536]",
          "[space] tensor 'W' of 65536 x 65536 x 65536x65536 taps numbers is too large; allowed: fewer than 2^60 "
          "numbers in all tensors, so that 64 bits count their bytes");
  // Together only.
  refuses("h: fixed(536870912); i: fixed(1073741824) V[h, i] W[h, i]",
          "[space] tensor 'W' of 536870912 x 1073741824 numbers is too large; allowed: fewer than 2^60 numbers in all "
          "tensors, so that 64 bits count their bytes");
  CHECK_THROWS_WITH_AS(
      (Space({{"h", FactorKind::permutation, std::int64_t{1} << 31, ""}}, {{"b", {{0, AxisRole::vector}}}})),
      "[space] factor 'h' has size 2147483648; allowed: 1 to 2147483647", ParseError);
  const Space large = Space::parse("h: fixed(1073741823); i: fixed(1073741824) W[h, i]");
  CHECK(large.parameters() == std::int64_t{1073741823} * 1073741824);
  CHECK_THROWS_AS(large.feature_shape(0, 2, 1), ShapeError);
  CHECK_THROWS_AS(large.feature_shape(0, 1, INT64_MAX), ShapeError);
  CHECK_THROWS_WITH_AS(
      Space::parse("h: fixed(2) W[h; taps=3x3]").feature_shape(0, 1, INT64_MAX / 2),
      "[space] tensor 'W' with 4611686018427387903 channels of 3x3 taps; allowed: fewer than 2^60 numbers", ShapeError);
  const Space heads = Space::parse("h: permutation(2); q: GL(1073741824) per h b[h, q]");
  CHECK_THROWS_WITH_AS(
      Element::identity(heads),
      "[element] factor 'q' (GL(1073741824) per h): its element has 2^60 numbers or more; take a smaller "
      "factor",
      ShapeError);
}

TEST_CASE("spaces: given as data they are checked as text is") {
  const Factor h{"h", FactorKind::fixed, 2, ""};
  CHECK_THROWS_WITH_AS(
      Space({{"h 1", FactorKind::fixed, 2, ""}}, {}),
      "[space] factor 'h 1'; allowed as a name: a letter, then letters, digits, '_' and '.', but not 'per' or 'along'",
      ParseError);
  CHECK_THROWS_WITH_AS(
      Space({h}, {{"", {{0, AxisRole::vector}}}}),
      "[space] tensor ''; allowed as a name: a letter, then letters, digits, '_' and '.', but not 'per' or 'along'",
      ParseError);
  CHECK_THROWS_WITH_AS(Space({h}, {{"W", {{1, AxisRole::vector}}}}),
                       "[space] tensor 'W' has an axis over factor 1 of 1", ParseError);
  CHECK_THROWS_WITH_AS(Space({h}, {{"W", {{-1, AxisRole::vector}}}}),
                       "[space] tensor 'W' has an axis over factor -1 of 1", ParseError);
  CHECK_THROWS_WITH_AS(Space({h}, {{"W", {{0, AxisRole::vector}}, -1, -1}}),
                       "[space] tensor 'W' has taps -1x-1; allowed: 1x1 or more", ParseError);
  CHECK_THROWS_WITH_AS(Space({h}, {{"W", {}, 3, 3}}),
                       "[space] tensor 'W' has taps 3x3 and no axes; a kernel connects two layers", ParseError);
  // What no text says: a factor along another by its role, a degree beside a role, a degree that is one, numbers
  // beyond.
  const std::vector<Factor> scaled{{"s", FactorKind::permutation, 2},
                                   {"n", FactorKind::monomial, 2, "", "s"},
                                   {"q", FactorKind::GL, 2},
                                   {"m", FactorKind::monomial, 2}};
  const auto refuses = [&](const SpaceAxis& axis, const char* message) {
    CHECK_THROWS_WITH_AS(Space(scaled, {{"W", {axis}}}), message, ParseError);
  };
  refuses({1, AxisRole::vector},
          "[space] tensor 'W' has an axis 'n', whose places are those of 's'; allowed as root: 's'");
  refuses({0, AxisRole::covector, {{1, 1}}},
          "[space] tensor 'W' has an axis 'n' by its degrees and by a role; allowed: one of them");
  refuses({3, AxisRole::vector, {{3, -1}}},
          "[space] tensor 'W' has an axis 'm*' by its degrees and by a role; allowed: one of them");
  refuses({2, AxisRole::vector, {{2, -1}}},
          "[space] tensor 'W' has an axis 'q*' of degree -1; allowed for GL: 1 and -1");
  refuses({0, AxisRole::vector, {{1, 99}, {12345, 1}}}, "[space] tensor 'W' has an axis over factor 12345 of 4");
  refuses({0, AxisRole::vector, {{1, INT_MIN}}},
          "[space] tensor 'W' has an axis 'n^-2147483648' of degree -2147483648; allowed: -16 to 16");
  const Space space({h}, {{"W", {{0, AxisRole::vector}}}});
  CHECK(space.tensor("W") == 0);
  CHECK(space.find_tensor("b") == -1);
  CHECK(space.find_factor("h") == 0);
  CHECK_THROWS_WITH_AS(space.tensor("b"), "[space] no tensor 'b'; there are: W", UsageError);
}

TEST_CASE("elements: the group laws hold on 200 random spaces") {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const RandomKey key(seed, "group laws");
    const Space space = random_space(key.at("space"));
    INFO(space.str());
    const ElementRange range = seed % 2 ? ElementRange{} : whole_group;
    const Element f = Element::random(space, key.at("f"), range), g = Element::random(space, key.at("g"), range),
                  k = Element::random(space, key.at("k"), range), one = Element::identity(space);
    const Weights x = random_features(space, key.at("x")), c = random_features(space, key.at("c"));
    CHECK(relative_error(act(one, x), x) == 0);
    CHECK(relative_error(act(f.then(g), x), act(g, act(f, x))) < 1e-12);  // (f then g) acts as g after f
    CHECK(relative_error(act(f.then(g).then(k), x), act(f.then(g.then(k)), x)) < 1e-11);
    CHECK(relative_error(act(f.then(one), x), act(f, x)) < 1e-14);
    CHECK(relative_error(act(one.then(f), x), act(f, x)) < 1e-14);
    CHECK(relative_error(act(f.inverse(), act(f, x)), x) < 1e-11);
    CHECK(relative_error(act(f.then(f.inverse()), x), x) < 1e-11);
    CHECK(relative_error(act(f.inverse().then(f), x), x) < 1e-11);
    CHECK(relative_error(act(f.then(g).inverse(), x), act(g.inverse().then(f.inverse()), x)) < 1e-10);
    CHECK(relative_error(act(f.dual().dual(), x), act(f, x)) < 1e-14);
    CHECK(relative_error(act(f.then(g).dual(), x), act(f.dual().then(g.dual()), x)) < 1e-11);
    const Weights moved = act(f, x), covectors = act(f.dual(), c);
    CHECK(std::abs(dot(covectors, moved, false) - dot(c, x, false)) < 1e-12 * dot(covectors, moved, true));
    // float32: the same element, up to the rounding of the input and of the result.
    Weights narrow;
    for (const Tensor& t : x) narrow.push_back(t.to(DType::f32));
    CHECK(relative_error(act(f, narrow), moved) < 1e-5);
  }
}

TEST_CASE("elements: random ones are what they promise") {
  const Space space = Space::parse(
      "p: permutation(5); m: positive_monomial(4); s: sign_monomial(4); h: permutation(2); G: GL(1); "
      "q: GL(5) per h W[h, q]");
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const Element g = Element::random(space, RandomKey(seed, "random element"));
    for (const int i : {0, 3}) {
      CHECK(!std::is_sorted(g.part(i).order.begin(), g.part(i).order.end()));  // no identity
    }
    for (double scale : g.part(1).scale) {
      CHECK(scale >= 0.4);
      CHECK(scale < 2.5);
    }
    CHECK(std::count(g.part(2).scale.begin(), g.part(2).scale.end(), 1.0) % 4 != 0);  // no constant sign vector
    CHECK(std::abs(std::abs(g.part(4).matrix[0]) - std::sqrt(10.0)) < 1e-12);         // not even a single direction
    for (std::ptrdiff_t copy = 0; copy < 2; ++copy) {
      using Matrix = Eigen::Matrix<double, 5, 5, Eigen::RowMajor>;
      const Eigen::Map<const Matrix> m(g.part(5).matrix.data() + 25 * copy),
          inverse(g.part(5).inverse.data() + 25 * copy);
      const Eigen::JacobiSVD<Matrix> svd(m);
      CHECK(svd.singularValues()[0] == doctest::Approx(10));
      CHECK(svd.singularValues()[4] == doctest::Approx(1));
      CHECK((m * inverse - Matrix::Identity()).norm() < 1e-13);
    }
  }
  // One element per purpose and seed, whatever else the space holds.
  const Space smaller = Space::parse("q: GL(5) per h; h: permutation(2) W[h, q]");
  CHECK(Element::random(smaller, RandomKey(3, "x")).part(0).matrix ==
        Element::random(space, RandomKey(3, "x")).part(5).matrix);
}

TEST_CASE("elements: a wreath product moves its matrices with the heads, as spec 1.2 has it") {
  // new[i] = g_{tau(i)} old[tau(i)]
  const Space space = Space::parse("h: permutation(3); q: GL(2) per h W[h, q]");
  const Element g = Element::random(space, RandomKey(5, "wreath"));
  const Tensor x = random_features(space, RandomKey(5, "x"))[0].slice(0, 1), y = weft::act(g, 0, x);
  for (std::size_t channel = 0; channel < 2; ++channel)
    for (std::size_t i = 0; i < 3; ++i) {
      const auto from = static_cast<std::size_t>(g.part(0).order[i]);
      for (std::size_t r = 0; r < 2; ++r) {
        double expected = 0;
        for (std::size_t c = 0; c < 2; ++c)
          expected += g.part(1).matrix[from * 4 + r * 2 + c] * x.span<double>()[channel * 6 + from * 2 + c];
        CHECK(y.span<double>()[channel * 6 + i * 2 + r] == doctest::Approx(expected));
      }
    }
}

TEST_CASE("elements: malformed ones are refused") {
  const Space space = Space::parse("p: permutation(2); m: positive_monomial(2); s: sign_monomial(2); G: GL(2) W[p]");
  const Element g = Element::identity(space);
  auto with = [&](int factor, auto change) {
    std::vector<ElementPart> parts(g.parts().begin(), g.parts().end());
    change(parts[static_cast<std::size_t>(factor)]);
    return Element(space, std::move(parts));
  };
  constexpr const char* kind = "the part has another kind, size or number of copies";
  CHECK_THROWS_WITH_AS(with(0, [](ElementPart& p) { p.kind = FactorKind::fixed; }),
                       (std::string("[element] factor 'p' (permutation(2)): ") + kind).c_str(), ShapeError);
  CHECK_THROWS_WITH_AS(with(0, [](ElementPart& p) { p.order.push_back(2); }),
                       (std::string("[element] factor 'p' (permutation(2)): ") + kind).c_str(), ShapeError);
  CHECK_THROWS_WITH_AS(with(1, [](ElementPart& p) { p.scale.clear(); }),
                       (std::string("[element] factor 'm' (positive_monomial(2)): ") + kind).c_str(), ShapeError);
  CHECK_THROWS_WITH_AS(with(3, [](ElementPart& p) { p.copies = 2; }),
                       (std::string("[element] factor 'G' (GL(2)): ") + kind).c_str(), ShapeError);
  CHECK_THROWS_WITH_AS(with(3, [](ElementPart& p) { p.inverse.clear(); }),
                       (std::string("[element] factor 'G' (GL(2)): ") + kind).c_str(), ShapeError);
  for (const std::vector<std::int32_t>& order : {std::vector{0, 0}, {0, 2}, {-1, 0}})
    CHECK_THROWS_WITH_AS(with(0, [&](ElementPart& p) { p.order = order; }),
                         "[element] factor 'p' (permutation(2)): the order is no permutation", UsageError);
  CHECK_THROWS_WITH_AS(with(1, [](ElementPart& p) { p.scale[1] = -2; }),
                       "[element] factor 'm' (positive_monomial(2)): scale -2; allowed: positive numbers", UsageError);
  CHECK_THROWS_WITH_AS(with(1, [](ElementPart& p) { p.scale[1] = INFINITY; }),
                       "[element] factor 'm' (positive_monomial(2)): scale inf; allowed: positive numbers", UsageError);
  CHECK_THROWS_WITH_AS(with(2, [](ElementPart& p) { p.scale[0] = 0.5; }),
                       "[element] factor 's' (sign_monomial(2)): scale 0.5; allowed: 1 and -1", UsageError);
  CHECK_THROWS_WITH_AS(with(3, [](ElementPart& p) { p.matrix[1] = 1e-3; }),
                       "[element] factor 'G' (GL(2)): matrix times inverse is not the identity", UsageError);
  CHECK_THROWS_WITH_AS(with(3, [](ElementPart& p) { p.matrix[0] = NAN; }),
                       "[element] factor 'G' (GL(2)): matrix times inverse is not the identity", UsageError);
  CHECK_THROWS_WITH_AS(Element(space, {}), "[element] 0 parts for 4 factors", ShapeError);
  CHECK_THROWS_WITH_AS(g.then(Element::identity(Space::parse("p: permutation(2) W[p]"))),
                       "[element] composed with an element of another space", UsageError);
  CHECK_THROWS_WITH_AS(weft::act(g, 0, Tensor::zeros({2, 3}, DType::f64)),
                       "[act] tensor 'W': got shape [2, 3]; allowed: [batch, channels] and then [2]", ShapeError);
}
