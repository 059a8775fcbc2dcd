// Networks whose units differ in size by many powers of ten: what is small is not overlooked, and what is equal is
// found.

#include <cmath>

#include <doctest/doctest.h>

#include "weft/symmetry/network.h"
#include "weft/tests/equivalence_networks.h"

using namespace weft;
using namespace weft::testing;

namespace {

/// f(value) for all numbers of tensor t at one index of an axis.
template <class F>
void at_index(const Tensor& t, int axis, std::int64_t index, const F& f) {
  const std::int64_t inner = t.shape().sub(3 + axis, t.rank()).numel(), n = t.shape()[2 + axis];
  for (std::int64_t i = 0; i < t.numel(); ++i)
    if (i / inner % n == index) f(t.data<double>()[i]);
}

/// What tells a size from another one in this group: axes of units and of heads. Scores keep their size: softmax would
/// make rounding as large as it likes.
bool scaled(const Space& space, int t, int axis) {
  const SpaceTensor& tensor = space.tensors()[static_cast<std::size_t>(t)];
  const Factor& f = space.factors()[static_cast<std::size_t>(tensor.axes[static_cast<std::size_t>(axis)].factor)];
  return f.kind != FactorKind::fixed && f.kind != FactorKind::GL && !tensor.name.starts_with("WQ") &&
         !tensor.name.starts_with("WK");
}

double power(RandomKey key, std::uint64_t i) { return std::pow(10., 16 * uniform(key, i) - 8); }

/// Every third unit or head of every tensor times a power of ten of its own, 1e-8 to 1e8: the weights into it, those
/// out of it, or both.
void scale_units(const Space& space, const std::vector<Tensor>& w, RandomKey key) {
  for (int t = 0; t < static_cast<int>(w.size()); ++t)
    for (int axis = 0; axis < static_cast<int>(space.tensors()[static_cast<std::size_t>(t)].axes.size()); ++axis) {
      if (!scaled(space, t, axis)) continue;
      const Tensor& tensor = w[static_cast<std::size_t>(t)];
      for (std::int64_t i = 0; i < tensor.shape()[2 + axis]; ++i) {
        const RandomKey of_unit = key.at(static_cast<std::uint64_t>(t))
                                      .at(static_cast<std::uint64_t>(axis))
                                      .at(static_cast<std::uint64_t>(i));
        if (uniform_index(of_unit, 0, 3) == 0)
          at_index(tensor, axis, i, [by = power(of_unit, 1)](double& x) { x *= by; });
      }
    }
}

/// A random element with scales of 1e-8 to 1e8.
Element wide_element(const Space& space, RandomKey key) {
  const Element g = Element::random(space, key);
  std::vector<ElementPart> parts(g.parts().begin(), g.parts().end());
  for (std::size_t f = 0; f < parts.size(); ++f)
    if (parts[f].kind == FactorKind::positive_monomial)
      for (std::size_t i = 0; i < parts[f].scale.size(); ++i) parts[f].scale[i] = power(key.at("scale").at(f), i);
  return Element(space, std::move(parts));
}

/// One unit, or head, off by a thousandth of its size in one tensor; a unit that has weights there.
void change_unit(const Space& space, const std::vector<Tensor>& w, RandomKey key) {
  for (std::uint64_t attempt = 0;; ++attempt) {
    const RandomKey of_attempt = key.at(attempt);
    const auto t = static_cast<std::size_t>(uniform_index(of_attempt, 0, static_cast<std::int64_t>(w.size())));
    const auto axes = static_cast<std::int64_t>(space.tensors()[t].axes.size());
    const auto axis = static_cast<int>(uniform_index(of_attempt, 1, axes));
    const auto factor = static_cast<std::size_t>(space.tensors()[t].axes[static_cast<std::size_t>(axis)].factor);
    if (axes < 2 || space.factors()[factor].kind == FactorKind::fixed || space.factors()[factor].kind == FactorKind::GL)
      continue;
    // On a tensor of heads the head is the unit.
    if (axes == 3 && !space.factors()[factor].per.empty()) continue;
    if (axes == 3 && axis != 0) continue;
    const std::int64_t unit = uniform_index(of_attempt, 2, w[t].shape()[2 + axis]);
    double square = 0, count = 0;
    at_index(w[t], axis, unit, [&](double& x) { square += x * x, ++count; });
    if (square == 0) continue;
    std::uint64_t i = 0;
    at_index(w[t], axis, unit,
             [&](double& x) { x += 1e-3 * std::sqrt(square / count) * normal(of_attempt.at("off"), i++); });
    return;
  }
}

}  // namespace

TEST_CASE("network equivalence: what one unit does is not hidden by a norm") {
  // relu(x0) + relu(x1) against relu(x0) + relu(-x1), the second unit's incoming weights times 1e-6, its outgoing 1e6.
  const Space space = Space::parse(
      "in: fixed(2); h1: positive_monomial(2); out: fixed(1) "
      "W1[h1, in*] b1[h1] W2[out, h1*] b2[out]");
  const auto network = [](double sign, double s) {
    const double in[] = {1, 0, 0, sign * s}, out[] = {1, 1 / s};
    return std::vector<Tensor>{
        Tensor::from(std::span<const double>(in), {1, 1, 2, 2}), Tensor::zeros({1, 1, 2}, DType::f64),
        Tensor::from(std::span<const double>(out), {1, 1, 1, 2}), Tensor::zeros({1, 1, 1}, DType::f64)};
  };
  for (const double s : {1e-8, 1e-6, 1e-3, 1., 1e3, 1e6, 1e8}) {
    CAPTURE(s);
    for (const double tolerance : {1e-8, 1e-4, 1e-2}) {
      CHECK(compare_networks(space, network(1, s), network(-1, s), tolerance).decision == Decision::different);
      CHECK(compare_networks(space, network(1, s), network(1, 1), tolerance).decision == Decision::same);
    }
  }
}

TEST_CASE("network equivalence: ten thousand pairs of units of any size, none wrong") {
  constexpr std::uint64_t pairs = 10000;
  int equal = 0, told[3] = {0, 0, 0};
  for (std::uint64_t n = 0; n < pairs; ++n) {
    // Chains of dense layers, which are fast, mostly; of every sort as many that are equal.
    const std::uint64_t pair = n / 2;
    const Space space = space_of(pair % 8 == 7 ? 3 + pair / 8 % 8 : pair % 3);
    const RandomKey key(n, "network scales");
    const auto a = random_weights(space, key.at("a"));
    scale_units(space, a, key.at("sizes"));
    const auto b = moved(wide_element(space, key.at("g")), a);
    CAPTURE(n);
    if (n % 2 == 0) {
      const Decision found = compare_networks(space, a, b).decision;
      CHECK(name(found) == name(Decision::same));
      equal += found == Decision::same;
    } else {
      change_unit(space, b, key.at("off"));
      const Decision found = compare_networks(space, a, b).decision;
      CHECK(found != Decision::same);
      ++told[static_cast<int>(found)];
    }
  }
  CHECK(equal == pairs / 2);
  CHECK(told[static_cast<int>(Decision::different)] > 1000);
}

TEST_CASE("network equivalence: no three networks contradict each other") {
  int told[3] = {0, 0, 0};
  for (std::uint64_t n = 0; n < 600; ++n) {
    // Six ways to differ of each space; chains of dense layers, which are fast, mostly.
    const std::uint64_t six = n / 6;
    const Space space = space_of(six % 8 == 7 ? 3 + six / 8 % 2 : six % 3);
    const RandomKey key(n, "network chain");
    const double tolerance = n % 2 ? 1e-6 : 0.05;
    std::vector<Tensor> m[3] = {random_weights(space, key.at("a")), {}, {}};
    for (std::uint64_t k = 1; k < 3; ++k) {
      auto next = copies(m[k - 1]);
      const double size = tolerance * 4 * uniform(key.at("size"), k);
      for (std::size_t t = 0; t < next.size(); ++t)
        for (std::int64_t i = 0; i < next[t].numel(); ++i)
          next[t].data<double>()[i] +=
              size * next[t].data<double>()[i] * normal(key.at(n % 3 ? 0 : k).at(t), static_cast<std::uint64_t>(i));
      m[k] = moved(Element::random(space, key.at("g").at(k)), next);
    }
    Decision found[3];
    for (int k = 0; k < 3; ++k) {
      found[k] = compare_networks(space, m[k], m[(k + 1) % 3], tolerance).decision;
      ++told[static_cast<int>(found[k])];
    }
    CAPTURE(n);
    for (int k = 0; k < 3; ++k)
      CHECK_FALSE((found[k] == Decision::same && found[(k + 1) % 3] == Decision::same &&
                   found[(k + 2) % 3] == Decision::different));
  }
  for (const int times : told) CHECK(times > 50);
}
