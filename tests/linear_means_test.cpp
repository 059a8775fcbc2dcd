// Linear layers with means and broadcasts (NP and HNP, spec 4.2) as a schedule, against their term lists.

#include <cmath>

#include <doctest/doctest.h>
#include <fmt/ranges.h>

#include "weft/groups/derive.h"
#include "weft/nfn/linear/linear.h"
#include "weft/tests/layer_checks.h"

using namespace weft;
using namespace weft::testing;

namespace {

using Widths = std::vector<std::int64_t>;
using Taps = std::vector<std::array<std::int64_t, 2>>;

struct Case {
  Widths widths;
  Channels c;
  Taps in = {}, out = {};
};

// L = 2..5; odd widths, widths of 1, taps on either side, products above one tile.
const std::vector<Case> cases = {
    {{3, 5, 2}, {2, 3, 5}},
    {{1, 1, 1}, {1, 1, 1}},
    {{2, 7, 9, 3}, {3, 2, 4}},
    {{2, 1, 4, 5, 3}, {2, 2, 3}},
    {{3, 2, 5, 1, 4, 2}, {1, 3, 2}},
    {{1, 33, 17, 5}, {19, 21, 3}},
    {{1, 4, 5, 3}, {1, 5, 2}, {{3, 3}, {2, 1}, {1, 1}}, {{1, 1}, {2, 2}, {1, 3}}},
};

/// Fixed ends (HNP), or permuted ones (NP).
Space space_of(const Case& c, const Taps& taps, bool fixed_ends) {
  const Taps all = taps.empty() ? Taps(c.widths.size() - 1, {1, 1}) : taps;
  const Space space = cnn_space(c.widths, all, FactorKind::permutation);
  return fixed_ends ? space : space.with_kind(FactorKind::fixed, FactorKind::permutation);
}

LinearLayer made(const Case& c, bool fixed_ends, bool means) {
  const Space in = space_of(c, c.in, fixed_ends), out = space_of(c, c.out, fixed_ends);
  return {Module(), "layer", in, out, derive_linear(in, out, {.means = means}), c.c.d, c.c.e};
}

}  // namespace

TEST_CASE("linear means: NP and HNP run on the schedule and equal their term lists") {
  for (const Case& c : cases)
    for (const bool fixed_ends : {true, false}) {
      CAPTURE(fmt::format("{}", fmt::join(c.widths, "-")));
      CAPTURE(fixed_ends);
      const LinearLayer layer = made(c, fixed_ends, true);
      CHECK(!linear::pieces_of(layer.list()).has_value());
      CHECK(linear::mixing_of(layer.list(), c.c.d, c.c.e).has_value());
      const RandomKey key(1, "linear_means_test");
      const LayerData data = layer_data(layer.list(), c.c, key);
      for (const LayerInput& input : {LayerInput{}, {{}, 0.3, key}, {UnaryOp::Relu, 0.3, key}, {UnaryOp::Gelu, 0, key}})
        CHECK(check_layer(scheduled(layer, input), reference(layer.list(), c.c.e, input), layer.list(), data, true,
                          key) == "");
      CHECK(check_threads(scheduled(layer, {UnaryOp::Sin, 0.3, key}), layer.list(), data, key) == "");
    }
}

TEST_CASE("linear means: sums in place of means, and every instruction set") {
  for (const Isa level : isa_levels()) {
    const WithIsa forced(level);
    CAPTURE(name(level));
    for (const bool fixed_ends : {true, false}) {
      const Case& c = cases[2];
      const LinearLayer layer = made(c, fixed_ends, false);
      CHECK(linear::mixing_of(layer.list(), c.c.d, c.c.e).has_value());
      const RandomKey key(2, "linear_means_test");
      CHECK(check_layer(scheduled(layer), reference(layer.list(), c.c.e), layer.list(),
                        layer_data(layer.list(), c.c, key), true, key) == "");
    }
  }
}

TEST_CASE("linear means: equivariant under the group of the space, and under no larger one") {
  for (const Case& c : cases) {
    if (c.widths == Widths{1, 1, 1}) continue;  // nothing moves
    for (const bool fixed_ends : {true, false}) {
      CAPTURE(fmt::format("{}", fmt::join(c.widths, "-")));
      CAPTURE(fixed_ends);
      const LinearLayer layer = made(c, fixed_ends, true);
      const TermList& list = layer.list();
      const RandomKey key(3, "linear_means_test");
      const LayerData data = layer_data(list, c.c, key);
      const Layer run = scheduled(layer, {UnaryOp::Relu, 0, key});
      CHECK(group_error(run, list, data, list.in(), key) < 1e-9);
      CHECK(group_error(run, list, data, list.in().with_kind(FactorKind::permutation, FactorKind::positive_monomial),
                        key) > 1e-4);
      if (fixed_ends && c.widths.back() > 1)
        CHECK(group_error(run, list, data, list.in().with_kind(FactorKind::fixed, FactorKind::permutation), key) >
              1e-4);
    }
  }
}

TEST_CASE("linear means: other lists that share sums, and what stays with the interpreter") {
  struct Other {
    const char *in, *out, *terms;
    bool scheduled;
  };
  const Other others[] = {
      // A tensor that is transposed: its columns have the order of the factors, not of its axes.
      {"a: permutation(3); b: permutation(4) X[a, b] u[b]", "a: permutation(3); b: permutation(4) Y[b, a] v[a] s",
       "Y[j,k] += phi1 X[k,j]\nY[j,k] += mean(p) phi2 X[p,j]\nv[j] += mean(p) phi1 X[j,p]\ns += phi1 X[p,q]\ns += phi2",
       true},
      // A feature that nothing reads, an output of a constant alone, a sum over a fixed axis.
      {"a: permutation(3); f: fixed(2) X[a, f] u[a]", "a: permutation(3); f: fixed(2) Y[a, f] v[a]",
       "Y[j,k] += phi1[k] X[j,p]\nY[j,k] += phi2[q,k] X[j,q]\nY[j,k] += phi3[k]\nv[j] += phi1", true},
      // One tensor to two of its shape.
      {"a: permutation(5); b: permutation(3) X[a, b]", "a: permutation(5); b: permutation(3) Y[a, b] Z[a, b]",
       "Y[j,k] += phi1 X[j,k]\nZ[j,k] += phi1 X[j,k]\nZ[j,k] += mean(p) phi2 X[p,k]", true},
      // A shared phi, a diagonal, three axes.
      {"a: permutation(3) u[a]", "a: permutation(3) v[a] w[a]", "v[j] += p.phi u[j]\nw[j] += p.phi u[j]", false},
      {"a: permutation(3) R[a, a]", "a: permutation(3) S[a, a]", "S[j,j] += mean(p) phi1 R[j,p]", false},
      {"a: permutation(3); f: fixed(2) X[a, f, f]", "a: permutation(3); f: fixed(2) v[a]", "v[j] += phi1 X[j,p,q]",
       false},
  };
  for (const Other& other : others) {
    CAPTURE(other.terms);
    const Space in = Space::parse(other.in), out = Space::parse(other.out);
    const Channels c{2, 3, 4};
    const LinearLayer layer(Module(), "layer", in, out, other.terms, c.d, c.e);
    CHECK(!linear::pieces_of(layer.list()).has_value());
    CHECK(linear::mixing_of(layer.list(), c.d, c.e).has_value() == other.scheduled);
    const RandomKey key(4, "linear_means_test");
    CHECK(check_layer(scheduled(layer, {UnaryOp::Gelu, 0.3, key}),
                      reference(layer.list(), c.e, {UnaryOp::Gelu, 0.3, key}), layer.list(),
                      layer_data(layer.list(), c, key), true, key) == "");
  }
}

TEST_CASE("linear means: an empty batch") {
  const LinearLayer layer = made(cases[2], false, true);
  const LayerResult r = run_layer(scheduled(layer), layer.list(), layer_data(layer.list(), {3, 2, 0}, RandomKey(5, "")),
                                  true, RandomKey(5, "linear_means_test"));
  for (const Tensor& g : r.gradients)
    for (double x : g.span<double>()) CHECK(x == 0);
}

TEST_CASE("linear means: steps repeat bit by bit and take no new memory") {
  const Case& c = cases[5];
  const LinearLayer layer = made(c, false, true);
  const LayerData data = layer_data(layer.list(), c.c, RandomKey(6, "linear_means_test")).to(DType::f32);
  Arena arena;
  Tape tape(arena);
  std::vector<Tensor> first;
  std::size_t reserved = 0;
  for (int step = 0; step < 3; ++step) {
    Vars x, learned;
    for (std::size_t i = 0; i < data.features.size(); ++i)
      x.push_back(tape.leaf(data.features[i], layer.list().in().type(static_cast<int>(i))));
    for (const Tensor& t : data.learned) learned.push_back(tape.leaf(t));
    const Features out = layer.apply({layer.in(), x}, learned, {UnaryOp::Relu, 0.2, RandomKey(7, "linear_means_test")});
    std::vector<Tensor> cotangents, gradients;
    for (const Var& v : out.vars()) cotangents.push_back(v.value());
    tape.backward(out.vars(), cotangents);
    for (const Vars& leaves : {x, learned})
      for (const Var& v : leaves) gradients.push_back(tape.grad(v).value().clone());
    if (step == 0) first = gradients, reserved = arena.reserved();
    CHECK(arena.reserved() == reserved);
    for (std::size_t i = 0; i < first.size(); ++i)
      CHECK(std::ranges::equal(first[i].span<float>(), gradients[i].span<float>()));
    tape.reset();
  }
}
