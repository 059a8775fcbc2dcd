// What would dangle by construction is owned by whoever needs it, does not compile, or is refused.

#include <algorithm>
#include <concepts>
#include <string>
#include <type_traits>
#include <vector>

#include <doctest/doctest.h>

#include "weft/groups/term.h"
#include "weft/nfn/linear/linear.h"
#include "weft/nfn/magep/equivariant.h"
#include "weft/nfn/magep/invariant.h"
#include "weft/nfn/transformer/equivariant.h"
#include "weft/nfn/transformer/invariant.h"
#include "weft/nn/optim.h"
#include "weft/ops/act.h"
#include "weft/ops/contract.h"
#include "weft/ops/pointwise.h"
#include "weft/ops/rows.h"
#include "weft/ops/terms.h"

using namespace weft;

namespace {

template <class S>
concept gives_type = requires(S&& s) {
  static_cast<S&&>(s).type(0);
};
template <class S>
concept gives_factors = requires(S&& s) {
  static_cast<S&&>(s).factors();
};
template <class S>
concept gives_tensors = requires(S&& s) {
  static_cast<S&&>(s).tensors();
};
template <class E>
concept gives_parts = requires(E&& e) {
  static_cast<E&&>(e).parts();
};
template <class L>
concept runs = requires(L&& list, std::span<const Var> x, std::span<Var> y) {
  run_terms(static_cast<L&&>(list), x, x, std::int64_t{1}, y);
};

// Types point into their space's factors.
static_assert(gives_type<const Space&> && !gives_type<Space> && !gives_type<const Space>);
static_assert(gives_factors<const Space&> && !gives_factors<Space>);
static_assert(gives_tensors<const Space&> && !gives_tensors<Space>);
static_assert(gives_parts<const Element&> && !gives_parts<Element>);
// What is asked of an element that dies is a value, whose data are shared.
static_assert(std::same_as<decltype(std::declval<Element>().space()), Space>);
static_assert(std::same_as<decltype(std::declval<Element>().part(0)), ElementPart>);
// A step keeps the address of its list, and of a layer.
static_assert(runs<const TermList&> && !runs<TermList>);
template <class L>
concept maps = requires(L&& layer, const Features& x) {
  static_cast<L&&>(layer)(x);
};
static_assert(maps<const LinearLayer&> && !maps<LinearLayer>);
static_assert(maps<const MagepEquivariant&> && !maps<MagepEquivariant>);
static_assert(maps<const TransformerEquivariant&> && !maps<TransformerEquivariant>);
static_assert(maps<const MagepInvariant&> && !maps<MagepInvariant>);
static_assert(maps<const TransformerInvariant&> && !maps<TransformerInvariant>);
// A tape keeps the addresses of its arena, an optimiser those of its parameters.
static_assert(!std::constructible_from<Tape, Arena> && !std::constructible_from<Optimiser, Parameters, UpdateRule>);
// A copy would be half a model: the same values under other states.
static_assert(!std::copyable<Parameters> && std::movable<Parameters>);
static_assert(!std::copyable<Tape> && !std::copyable<Optimiser>);

Tensor normals(const Shape& shape, std::uint64_t seed) {
  Tensor t = Tensor::zeros(shape, DType::f64);
  fill_normal(t, RandomKey(seed, "lifetime_test"));
  return t;
}

/// Writes over memory that was given back.
void reuse_memory() {
  std::vector<std::string> all;
  for (int i = 0; i < 200; ++i) all.push_back(std::string(static_cast<std::size_t>(i), '#'));
}

}  // namespace

TEST_CASE("an element may die before the backward pass") {
  const Space space = Space::parse(
      "h: permutation(3); q: GL(2) per h; m: positive_monomial(4); s: sign_monomial(5) Q[h, m*, q] S[s, m]");
  const Element g = Element::random(space, RandomKey(1, "g"));
  for (int tensor = 0; tensor < 2; ++tensor) {
    const Tensor values = normals(space.feature_shape(tensor, 2, 1), 2), cotangent = normals(values.shape(), 3);
    auto gradient = [&](bool dies) {
      Arena arena;
      Tape tape(arena);
      const Element kept = g.inverse();
      const Var x = tape.leaf(values, space.type(tensor));
      const Var y = dies ? act(g.inverse(), tensor, x) : act(kept, tensor, x);
      reuse_memory();
      tape.backward({&y, 1}, {&cotangent, 1});
      return tape.grad(x).value().clone();
    };
    CHECK(std::ranges::equal(gradient(true).reshape({values.numel()}).span<double>(),
                             gradient(false).reshape({values.numel()}).span<double>()));
  }
}

TEST_CASE("a name may die before the step ends") {
  Arena arena;
  Tape tape(arena);
  const Var x = tape.leaf(normals({3}, 1), Type::plain(1), std::string("a temporary name, longer than ") + "a few"),
            c = tape.constant(normals({3}, 1), Type::plain(1), std::string(100, 'c'));
  reuse_memory();
  CHECK(x.name() == "a temporary name, longer than a few");
  CHECK(c.name() == std::string(100, 'c'));
  tape.backward(sum(mul(x, c)));
  CHECK(tape.grad(x).name() == "grad a temporary name, longer than a few");
}

TEST_CASE("an arena serves one tape at a time, which alone resets it") {
  Arena arena;
  {
    Tape tape(arena);
    const Var x = tape.leaf(normals({3}, 1));
    CHECK_THROWS_WITH_AS(Tape{arena},
                         "[tape] another tape records into this arena, and its reset() would end what this one holds; "
                         "give each tape an arena of its own",
                         AutogradError);
    CHECK_THROWS_WITH_AS(arena.reset(), "[arena] reset() of an arena that a tape records into; call the tape's reset()",
                         UsageError);
    tape.backward(sum(sin(x)));
    tape.reset();
    CHECK_THROWS_AS(Tape{arena}, AutogradError);
  }
  CHECK_NOTHROW(arena.reset());
  CHECK_NOTHROW(Tape{arena});
}

TEST_CASE("parameters may be moved, or die, before the backward pass") {
  auto build = [](Parameters& p) {
    p.add("a name that is longer than what a string holds within itself", {3}, Init::normal(1));
    p.allocate(DType::f64, RandomKey(1, "p"));
  };
  Arena arena;
  Tape tape(arena);
  Parameters moved;
  Var w, y;
  {
    Parameters p;
    build(p);
    w = p.on(tape, 0);
    y = sum(square(w));
    moved = std::move(p);
  }
  reuse_memory();
  tape.backward(y);
  CHECK(w.name() == moved.name(0));
  for (std::int64_t i = 0; i < 3; ++i)
    CHECK(moved.grad(0).data<double>()[i] == doctest::Approx(2 * moved.value(0).data<double>()[i]));
  Optimiser(moved, UpdateRule::sgd()).step(0.1);

  tape.reset();
  {
    Parameters p;
    build(p);
    w = p.on(tape, 0);
    y = sum(square(w));
  }
  reuse_memory();
  tape.backward(y);
  const Tensor g = tape.grad(w).value();
  for (std::int64_t i = 0; i < 3; ++i) CHECK(g.data<double>()[i] == doctest::Approx(2 * w.value().data<double>()[i]));
}

TEST_CASE("the numbers of a tensor that dies live as long as they are looked at") {
  const auto made = [] { return normals({1000}, 1); };
  const Tensor kept = made();
  const auto numbers = made().span<double>();
  const std::vector<Tensor> others(8, normals({1000}, 2));  // who takes the memory that was given back writes into it
  CHECK(std::ranges::equal(numbers, kept.span<double>()));
  std::int64_t n = 0;
  for (double x : made().span<double>()) CHECK(x == kept.data<double>()[n++]);
}
