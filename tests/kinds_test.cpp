// What kinds are for: the functions of real networks that their elements leave as they are (spec 8.2, 8.5).

#include <cmath>
#include <numbers>

#include <doctest/doctest.h>

#include "weft/core/difference.h"
#include "weft/ops/act.h"

using namespace weft;

namespace {

Tensor drawn(const Space& space, const char* name, RandomKey key) {
  const Tensor t = Tensor::zeros(space.feature_shape(space.tensor(name), 1, 1), DType::f64);
  fill_normal(t, key.at(name));
  return t;
}

Tensor moved(const Element& g, const char* name, const Tensor& x) { return act(g, g.space().tensor(name), x); }

/// A vector of n numbers, every pair turned by an angle of its own times `position`: rotary position embedding.
std::vector<double> turned(std::span<const double> x, int position, bool adjacent) {
  std::vector<double> y(x.size());
  const std::size_t pairs = x.size() / 2;
  for (std::size_t p = 0; p < pairs; ++p) {
    const std::size_t a = adjacent ? 2 * p : p, b = adjacent ? 2 * p + 1 : p + pairs;
    const double angle = position / std::pow(10.0, static_cast<double>(p));
    y[a] = std::cos(angle) * x[a] - std::sin(angle) * x[b];
    y[b] = std::sin(angle) * x[a] + std::cos(angle) * x[b];
  }
  return y;
}

double dot(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

/// The largest change of a score q_i^T R(j - i) k_j, over displacements.
double change_of_scores(const char* kind, bool adjacent, RandomKey key) {
  const Space space = Space::parse(fmt::format("r: {}(6) q[r] k[r*]", kind));
  const Element g = Element::random(space, key);
  const Tensor q = drawn(space, "q", key), k = drawn(space, "k", key), gq = moved(g, "q", q), gk = moved(g, "k", k);
  double worst = 0;
  for (int d = -3; d <= 3; ++d)
    worst = worse(worst, std::abs(dot(q.span<double>(), turned(k.span<double>(), d, adjacent)) -
                                  dot(gq.span<double>(), turned(gk.span<double>(), d, adjacent))));
  return worst;
}

}  // namespace

TEST_CASE(
    "rotary: one complex number a pair leaves every score of turned queries and keys, the other layout and GL do not") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const RandomKey key(seed, "rotary");
    CHECK(change_of_scores("rotary", false, key) < 1e-12);
    CHECK(change_of_scores("rotary_adjacent", true, key) < 1e-12);
    CHECK(change_of_scores("rotary", true, key) > 1e-3);
    CHECK(change_of_scores("rotary_adjacent", false, key) > 1e-3);
    CHECK(change_of_scores("GL", false, key) > 1e-3);
  }
}

TEST_CASE("SIREN: a sign and a shift of half a period are two sign characters of one neuron") {
  const Space space = Space::parse(
      "h: permutation(5); e, k: sign_monomial(5) along h; in: fixed(2); out: fixed(1) W[e, in] b[e] R[out, e&k] S[e&k] "
      "C[k]");
  constexpr double omega = 30;
  const auto output = [&](const Tensor& W, const Tensor& b, const Tensor& R, double x0, double x1) {
    double y = 0;
    for (std::int64_t i = 0; i < 5; ++i) {
      const double* w = W.data<double>() + 2 * i;
      y += R.data<double>()[i] * std::sin(omega * (w[0] * x0 + w[1] * x1 + b.data<double>()[i]));
    }
    return y;
  };
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const RandomKey key(seed, "siren");
    const Element g = Element::random(space, key);
    const Tensor W = drawn(space, "W", key), b = drawn(space, "b", key), R = drawn(space, "R", key);
    // The bias moves by m half periods, m of the parity that the second character says.
    const Tensor gW = moved(g, "W", W), gb = moved(g, "b", b), gR = moved(g, "R", R);
    const std::vector<double>& shift = g.part(space.find_factor("k")).scale;
    for (std::size_t i = 0; i < 5; ++i)
      if (shift[i] < 0) gb.data<double>()[i] += std::numbers::pi / omega * (i % 2 ? 1 : -3);
    CHECK(std::abs(output(W, b, R, 0.3, -0.7) - output(gW, gb, gR, 0.3, -0.7)) < 1e-10);
    CHECK(std::abs(output(W, b, R, 0.3, -0.7) - output(gW, gb, R, 0.3, -0.7)) > 1e-6);
    // Lifted, the shift is linear.
    const Tensor sine = drawn(space, "S", key), cosine = drawn(space, "C", key), g_sine = sine.clone(),
                 g_cosine = cosine.clone();
    for (std::int64_t i = 0; i < 5; ++i) {
      sine.data<double>()[i] = std::sin(omega * b.data<double>()[i]);
      cosine.data<double>()[i] = std::cos(omega * b.data<double>()[i]);
      g_sine.data<double>()[i] = std::sin(omega * gb.data<double>()[i]);
      g_cosine.data<double>()[i] = std::cos(omega * gb.data<double>()[i]);
    }
    CHECK(relative_error(g_sine, moved(g, "S", sine)) < 1e-12);
    CHECK(relative_error(g_cosine, moved(g, "C", cosine)) < 1e-12);
  }
}

TEST_CASE("root mean square norm: its weight takes scales of its own along a stream with signs") {
  const Space space = Space::parse("s: sign_monomial(6); n: monomial(6) along s; o: fixed(4) x[s] norm[n] W[o, s&n*]");
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const RandomKey key(seed, "rms");
    const Element g = Element::random(space, key);
    const auto output = [](const Tensor& x, const Tensor& norm, const Tensor& W) {
      const double size = std::sqrt(dot(x.span<double>(), x.span<double>()) / 6);
      std::vector<double> y(4, 0.0);
      for (std::size_t o = 0; o < 4; ++o)
        for (std::size_t i = 0; i < 6; ++i)
          y[o] += W.span<double>()[6 * o + i] * norm.span<double>()[i] * x.span<double>()[i] / size;
      return y;
    };
    const Tensor x = drawn(space, "x", key), norm = drawn(space, "norm", key), W = drawn(space, "W", key);
    const auto before = output(x, norm, W), after = output(moved(g, "x", x), moved(g, "norm", norm), moved(g, "W", W));
    for (std::size_t o = 0; o < 4; ++o) CHECK(after[o] == doctest::Approx(before[o]).epsilon(1e-11));
  }
}

TEST_CASE("a gradient has every degree negated") {
  const Space space = Space::parse(
      "s: permutation(3); n: monomial(3) along s; m: positive_monomial(4); O: orthogonal(2) A[n^2, m*] B[s&n*, O, "
      "m^0]");
  CHECK(space.type(0).dual().str() == "[., ., n^-2, m]");
  CHECK(space.type(1).dual().str() == "[., ., n, O*, m^0]");
  for (int t = 0; t < 2; ++t) {
    CHECK(space.type(t).dual().dual() == space.type(t));
    const Element g = Element::random(space, RandomKey(1, "dual"));
    const Tensor x = drawn(space, t ? "B" : "A", RandomKey(2, "x")), y = drawn(space, t ? "B" : "A", RandomKey(3, "y"));
    const double before = dot(x.span<double>(), y.span<double>()),
                 after = dot(act(g, t, x).span<double>(), act(g.dual(), t, y).span<double>());
    CHECK(after == doctest::Approx(before).epsilon(1e-12));
  }
}
