// Two attention modules: the decision against pairs of which it is known, the element against what it carries, the
// witness against plain loops.

#include <algorithm>
#include <cmath>
#include <limits>

#include <doctest/doctest.h>

#include "weft/core/difference.h"
#include "weft/core/error.h"
#include "weft/ops/act.h"
#include "weft/symmetry/attention.h"
#include "weft/tests/disk.h"

using namespace weft;

namespace {

struct Sizes {
  std::int64_t D, h, Dk, Dv;
};

AttentionModule random_module(const Sizes& s, RandomKey key) {
  AttentionModule m{Tensor::zeros({s.h, s.D, s.Dk}, DType::f64), Tensor::zeros({s.h, s.D, s.Dk}, DType::f64),
                    Tensor::zeros({s.h, s.D, s.Dv}, DType::f64), Tensor::zeros({s.h, s.Dv, s.D}, DType::f64)};
  fill_normal(m.q, key.at("q"));
  fill_normal(m.k, key.at("k"));
  fill_normal(m.v, key.at("v"));
  fill_normal(m.o, key.at("o"));
  return m;
}

AttentionModule copy(const AttentionModule& m) { return {m.q.clone(), m.k.clone(), m.v.clone(), m.o.clone()}; }

AttentionModule moved(const AttentionModule& m, const Element& g) {
  auto one = [&](int i, const Tensor& t) {
    return act(g, i, t.reshape({1, 1, t.dim(0), t.dim(1), t.dim(2)})).reshape(t.shape());
  };
  return {one(0, m.q), one(1, m.k), one(2, m.v), one(3, m.o)};
}

AttentionModule moved(const AttentionModule& m, RandomKey key, const ElementRange& range = {}) {
  return moved(m, Element::random(attention_space(m.q.dim(1), m.q.dim(0), m.q.dim(2), m.v.dim(2)), key, range));
}

/// Head i of a tensor set to (or moved by) normals.
void add_noise(const Tensor& t, std::int64_t i, double size, RandomKey key) {
  const Tensor noise = Tensor::zeros(t[i].shape(), DType::f64);
  fill_normal(noise, key);
  for (std::int64_t j = 0; j < noise.numel(); ++j) t[i].data<double>()[j] += size * noise.data<double>()[j];
}

void scale_head(const Tensor& t, std::int64_t i, double by) {
  for (double& x : t[i].span<double>()) x *= by;
}

/// The heads of m, and then those of `more`.
AttentionModule joined(const AttentionModule& m, const AttentionModule& more) {
  auto one = [](const Tensor& a, const Tensor& b) {
    const Tensor t = Tensor::zeros({a.dim(0) + b.dim(0), a.dim(1), a.dim(2)}, DType::f64);
    t.slice(0, a.dim(0)).copy_from(a);
    t.slice(a.dim(0), t.dim(0)).copy_from(b);
    return t;
  };
  return {one(m.q, more.q), one(m.k, more.k), one(m.v, more.v), one(m.o, more.o)};
}

/// Every column plus a number of its own: W + 1 u^T, which a norm takes away.
void shift(const Tensor& t, RandomKey key) {
  for (std::int64_t i = 0; i < t.dim(0); ++i)
    for (std::int64_t r = 0; r < t.dim(1); ++r)
      for (std::int64_t c = 0; c < t.dim(2); ++c)
        t[i][r].data<double>()[c] += normal(key.at(static_cast<std::uint64_t>(i)), static_cast<std::uint64_t>(c));
}

/// Columns `more` wider, the other factor filled with normals: the same product, with a rank below its width. Exactly
/// the same, as the added column of one factor is zero.
Tensor wider_columns(const Tensor& t, std::int64_t more, RandomKey key, double size) {
  const Tensor w = Tensor::zeros({t.dim(0), t.dim(1), t.dim(2) + more}, DType::f64);
  fill_normal(w, key, 0, size);
  for (std::int64_t i = 0; i < t.dim(0); ++i)
    for (std::int64_t r = 0; r < t.dim(1); ++r) w[i][r].slice(0, t.dim(2)).copy_from(t[i][r]);
  return w;
}

struct Pair {
  AttentionModule a, b;
  bool same;
  bool generic = false;
  bool after_norm = false;
};

constexpr std::uint64_t sorts = 20;

Pair pair(std::uint64_t sort, RandomKey key) {
  const auto size = [&](std::uint64_t i, std::int64_t low, std::int64_t high) {
    return low + uniform_index(key.at("sizes"), i, high - low + 1);
  };
  const std::int64_t D = size(0, 3, 9);
  const Sizes s{D, size(1, 1, 4), size(2, 1, D), size(3, 1, D)};
  const std::int64_t i = size(4, 0, s.h - 1);
  const AttentionModule a = random_module(s, key.at("a"));
  AttentionModule b = moved(a, key.at("moved"));
  const RandomKey noise = key.at("noise");
  Tensor* const all[] = {&b.q, &b.k, &b.v, &b.o};
  const AttentionModule one = random_module({D, 1, s.Dk, s.Dv}, key.at("one"));
  switch (sort) {
    case 0:  // moved by a random element
      return {a, b, true, true};
    case 1:  // permuted alone
      return {a, moved(a, key.at("permuted"), {.condition = 1}), true, true};
    case 2: {  // one number is off, by what counts relative to the product that it stands in
      const Tensor& t = *all[size(5, 0, 3)];
      add_noise(t, i, 1e-3, noise);
      return {a, b, false};
    }
    case 3:  // every number is off a little
      for (Tensor* t : all) add_noise(*t, i, 1e-6, noise);
      return {a, b, false};
    case 4:  // a head silent in both, with any scores
      scale_head(b.o, i, 0);
      {
        AttentionModule other = copy(b);
        add_noise(other.q, i, 1, noise);
        return {b, moved(other, key.at("again")), true};
      }
    case 5:  // silent in one
      scale_head(b.v, i, 0);
      return {a, b, false};
    case 6:  // two heads of one QK, their VO split another way
    case 7: {
      AttentionModule twins = joined(one, one), other = joined(one, one);
      add_noise(twins.v, 1, 1, noise);
      twins.o[1].copy_from(twins.o[0]);
      const Tensor &v = twins.v, &w = other.v;  // v0 O + v1 O = (v0 + u) O + (v1 - u) O
      for (std::int64_t j = 0; j < v[0].numel(); ++j) {
        const double u = normal(key.at("split"), static_cast<std::uint64_t>(j));
        w[0].data<double>()[j] = v[0].data<double>()[j] + u;
        w[1].data<double>()[j] = v[1].data<double>()[j] - u;
      }
      if (sort == 7) add_noise(other.o, 0, 1e-3, key.at("off"));
      return {joined(a, twins), moved(joined(a, other), key.at("again")), sort == 6};
    }
    case 8: {  // two more heads that cancel
      AttentionModule anti = copy(one);
      scale_head(anti.o, 0, -1);
      return {a, moved(joined(joined(b, one), anti), key.at("again")), true};
    }
    case 9:  // one more head that speaks
      return {a, joined(b, one), false};
    case 10: {  // one more head of uniform attention
      AttentionModule uniform = copy(one);
      scale_head(uniform.q, 0, 0);
      return {a, joined(b, uniform), false};
    }
    case 11: {  // both zero, of different sizes
      AttentionModule none = random_module({D, s.h + 1, s.Dv, s.Dk}, key.at("none"));
      scale_head(none.v, 0, 1);
      for (std::int64_t n = 0; n <= s.h; ++n) scale_head(none.v, n, 0);
      AttentionModule silent = copy(a);
      for (std::int64_t n = 0; n < s.h; ++n) scale_head(silent.o, n, 0);
      return {silent, none, true};
    }
    case 12: {  // other widths, the same products: a zero column beside a random one, the score's root accounted for
      const double root = std::sqrt(static_cast<double>(s.Dk + 2) / static_cast<double>(s.Dk));
      AttentionModule wide{wider_columns(b.q, 2, noise.at("q"), 0), wider_columns(b.k, 2, noise.at("k"), 1), b.v, b.o};
      for (double& x : wide.q.span<double>()) x *= root;
      return {a, moved(wide, key.at("again")), true};
    }
    case 13: {  // the same without the root: other scores
      AttentionModule wide{wider_columns(b.q, 2, noise.at("q"), 0), wider_columns(b.k, 2, noise.at("k"), 1), b.v, b.o};
      return {a, wide, false};
    }
    case 14:  // signs
      scale_head(b.q, i, -1);
      if (size(6, 0, 1) == 0) return {a, b, false};
      scale_head(b.k, i, -1);
      return {a, b, true, true};
    case 15:  // behind a norm, shifted along the ones
    case 16:
      for (Tensor* t : {&b.q, &b.k, &b.v}) shift(*t, key.at("shift").at(t == &b.q ? 0u : t == &b.k ? 1u : 2u));
      return {a, b, sort == 15, false, sort == 15};
    case 17:  // behind a norm and different
      add_noise(*all[size(5, 0, 3)], i, 1e-3, noise);
      return {a, b, false, false, true};
    case 18: {  // one head far smaller than the others: it counts all the same
      AttentionModule small = copy(one);
      scale_head(small.o, 0, 1e-7);
      AttentionModule other = copy(small);
      const bool same = size(6, 0, 1) == 0;
      if (!same) add_noise(other.q, 0, 1e-1, noise);
      return {joined(a, small), moved(joined(a, other), key.at("again")), same};
    }
    default:  // heads whose scores differ by their sign and vanish: dependent on two tokens, not on three
      AttentionModule minus = copy(one), zero = copy(one), plus = copy(one);
      scale_head(minus.q, 0, -1);
      scale_head(zero.q, 0, 0);
      scale_head(zero.o, 0, 2);
      return {joined(b, joined(plus, minus)), joined(a, zero), false};
  }
}

/// MHA(X) by plain loops; LN before it if asked.
std::vector<double> plain_attention(const AttentionModule& m, const Tensor& x, bool after_norm) {
  const std::int64_t n = x.dim(0), D = x.dim(1), h = m.q.dim(0), Dk = m.q.dim(2), Dv = m.v.dim(2);
  std::vector<double> in(x.span<double>().begin(), x.span<double>().end()), out(in.size());
  auto at = [D](std::int64_t t, std::int64_t d) { return static_cast<std::size_t>(t * D + d); };
  for (std::int64_t t = 0; after_norm && t < n; ++t) {
    double mean = 0, var = 0;
    for (std::int64_t d = 0; d < D; ++d) mean += in[at(t, d)] / static_cast<double>(D);
    for (std::int64_t d = 0; d < D; ++d) var += (in[at(t, d)] - mean) * (in[at(t, d)] - mean) / static_cast<double>(D);
    for (std::int64_t d = 0; d < D; ++d) in[at(t, d)] = (in[at(t, d)] - mean) / std::sqrt(var + 1e-5);
  }
  auto times = [&](std::int64_t t, const Tensor& w) {
    std::vector<double> y(static_cast<std::size_t>(w.dim(1)));
    for (std::int64_t d = 0; d < D; ++d)
      for (std::size_t j = 0; j < y.size(); ++j) y[j] += in[at(t, d)] * w[d].data<double>()[j];
    return y;
  };
  for (std::int64_t i = 0; i < h; ++i)
    for (std::int64_t t = 0; t < n; ++t) {
      const auto q = times(t, m.q[i]);
      std::vector<double> p, mixed(static_cast<std::size_t>(Dv));
      for (std::int64_t u = 0; u < n; ++u) {
        const auto k = times(u, m.k[i]);
        double s = 0;
        for (std::size_t j = 0; j < k.size(); ++j) s += q[j] * k[j];
        p.push_back(s / std::sqrt(static_cast<double>(Dk)));
      }
      const double top = *std::max_element(p.begin(), p.end());
      double total = 0;
      for (double& s : p) total += s = std::exp(s - top);
      for (std::int64_t u = 0; u < n; ++u) {
        const auto v = times(u, m.v[i]);
        for (std::size_t j = 0; j < v.size(); ++j) mixed[j] += p[static_cast<std::size_t>(u)] / total * v[j];
      }
      for (std::int64_t j = 0; j < Dv; ++j)
        for (std::int64_t d = 0; d < D; ++d)
          out[at(t, d)] += mixed[static_cast<std::size_t>(j)] * m.o[i][j].data<double>()[d];
    }
  return out;
}

/// In Euclidean norms, relative to the larger one.
double distance(const std::vector<double>& a, const std::vector<double>& b) {
  double change = 0, size_a = 0, size_b = 0;
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    change += (a[i] - b[i]) * (a[i] - b[i]);
    size_a += a[i] * a[i];
    size_b += b[i] * b[i];
  }
  return std::sqrt(change / std::max(size_a, size_b));  // NaN of a NaN, which no bound lets pass
}

double distance(const Tensor& a, const Tensor& b) {
  return distance(std::vector<double>(a.span<double>().begin(), a.span<double>().end()),
                  std::vector<double>(b.span<double>().begin(), b.span<double>().end()));
}

}  // namespace

TEST_CASE("attention equivalence: ten thousand pairs, none wrong") {
  for (std::uint64_t n = 0; n < 10000; ++n) {
    const Pair p = pair(n % sorts, RandomKey(n, "attention equivalence"));
    AttentionEquivalenceOptions options;
    options.after_norm = p.after_norm;
    const AttentionEquivalence found = compare_attention(p.a, p.b, options);
    CAPTURE(n);
    REQUIRE(name(found.decision) == name(p.same ? Decision::same : Decision::different));
    REQUIRE(found.witness.has_value() == !p.same);
    if (found.witness && n % 7 == 0) {
      const AttentionWitness& w = *found.witness;
      CHECK(w.difference > 1e-12);
      const auto ya = plain_attention(p.a, w.x, p.after_norm), yb = plain_attention(p.b, w.x, p.after_norm);
      CHECK(std::abs(distance(ya, yb) - w.difference) < 1e-2 * w.difference + 1e-12);
    }
    REQUIRE((found.element.has_value() || !p.generic));
    if (found.element) {
      CHECK(found.element->residual < 1e-9);
      if (!p.after_norm) {
        const AttentionModule image = moved(p.a, found.element->element);
        CHECK(distance(image.q, p.b.q) < 1e-9);
        CHECK(distance(image.k, p.b.k) < 1e-9);
        CHECK(distance(image.v, p.b.v) < 1e-9);
        CHECK(distance(image.o, p.b.o) < 1e-9);
      }
    }
  }
}

TEST_CASE("attention equivalence: symmetric, and blind to the units of scores and values") {
  for (std::uint64_t n = 0; n < 200; ++n) {
    const Pair p = pair(n % sorts, RandomKey(n, "attention symmetric"));
    AttentionEquivalenceOptions options;
    options.after_norm = p.after_norm;
    CAPTURE(n);
    const Decision expected = p.same ? Decision::same : Decision::different;
    CHECK(compare_attention(p.b, p.a, options).decision == expected);
    const AttentionModule a = copy(p.a), b = copy(p.b);
    for (const AttentionModule* m : {&a, &b}) {
      for (double& x : m->k.span<double>()) x *= 0x1p40;
      for (double& x : m->o.span<double>()) x *= 0x1p-60;
    }
    CHECK(compare_attention(a, b, options).decision == expected);
  }
}

TEST_CASE("attention equivalence: float32 modules at the rounding of float32") {
  for (std::uint64_t n = 0; n < 100; ++n) {
    const RandomKey key(n, "attention float32");
    const AttentionModule a = random_module({8, 3, 4, 4}, key), b = moved(a, key.at("moved"));
    auto narrow = [](const AttentionModule& m) {
      return AttentionModule{m.q.to(DType::f32), m.k.to(DType::f32), m.v.to(DType::f32), m.o.to(DType::f32)};
    };
    const AttentionEquivalenceOptions options{.tolerance = 1e-5, .rounding = 0x1p-24};
    const AttentionEquivalence found = compare_attention(narrow(a), narrow(b), options);
    CHECK(found.decision == Decision::same);
    CHECK((found.element && found.element->residual < 1e-4));
    // float64's rounding does not explain it
    CHECK(compare_attention(narrow(a), narrow(b)).decision != Decision::same);
    add_noise(b.q, 0, 1e-2, key);
    CHECK(compare_attention(narrow(a), narrow(b), options).decision == Decision::different);
  }
}

TEST_CASE("attention equivalence: heads of any size, one of them off by a thousandth") {
  int different = 0;
  constexpr int pairs = 4000;
  for (std::uint64_t n = 0; n < pairs; ++n) {
    const RandomKey key(n, "attention scales");
    const Sizes s{3 + uniform_index(key, 0, 6), 1 + uniform_index(key, 1, 5), 2, 2};
    const AttentionModule a = random_module(s, key.at("a"));
    const auto power = [&](std::uint64_t i) { return std::pow(10., 16 * uniform(key.at("power"), i) - 8); };
    for (std::int64_t i = 0; i < s.h; ++i) {
      const auto k = 3 * static_cast<std::uint64_t>(i);
      const double query = power(k);
      scale_head(a.q, i, query);
      scale_head(a.k, i, 1 / query);
      scale_head(a.v, i, power(k + 1));
      scale_head(a.o, i, power(k + 2));
    }
    const AttentionModule b = moved(a, key.at("moved"));
    CAPTURE(n);
    CHECK(compare_attention(a, b).decision == Decision::same);
    const Tensor* const all[] = {&b.q, &b.k, &b.v, &b.o};
    const Tensor& t = *all[n % 4];
    const std::int64_t head = uniform_index(key, 2, s.h);
    double square = 0;
    for (const double x : t[head].span<double>()) square += x * x;
    add_noise(t, head, 1e-3 * std::sqrt(square / static_cast<double>(t[head].numel())), key.at("off"));
    const Decision found = compare_attention(a, b).decision;
    CHECK(found != Decision::same);
    different += found == Decision::different;
  }
  CHECK(different > pairs / 2);  // a head of 1e-16 of the others moves no output that float64 could tell
}

TEST_CASE("attention equivalence: no three modules contradict each other") {
  int told[3] = {0, 0, 0};
  for (std::uint64_t n = 0; n < 3000; ++n) {
    const RandomKey key(n, "attention chain");
    const Sizes s{3 + uniform_index(key, 0, 4), 1 + uniform_index(key, 1, 3), 2, 2};
    const AttentionEquivalenceOptions options{.tolerance = n % 2 ? 1e-6 : 0.2};
    AttentionModule m[3] = {random_module(s, key.at("a")), {}, {}};
    // Each some tolerances away from the one before, in a random direction or again in the same one; some with heads
    // that cancel or say nothing on the way between two others.
    for (std::uint64_t k = 1; k < 3; ++k) {
      AttentionModule next = copy(m[k - 1]);
      const double size = options.tolerance * 3 * uniform(key.at("size"), k);
      const RandomKey direction = key.at(n % 3 ? "direction" : k == 1 ? "one" : "other");
      for (std::int64_t i = 0; i < next.q.dim(0); ++i) {
        const RandomKey of_head = direction.at(static_cast<std::uint64_t>(i));
        add_noise(n % 5 ? next.q : next.k, i, size, of_head.at("score"));
        add_noise(n % 7 ? next.v : next.o, i, size, of_head.at("value"));
      }
      if (n % 4 == 1 && k == 1)
        for (int step = 0; step < 4; ++step) {  // a bridge of silent heads towards what comes next
          AttentionModule bridge = copy(m[0]);
          for (std::int64_t i = 0; i < bridge.q.dim(0); ++i) {
            add_noise(bridge.q, i, options.tolerance * step, direction.at(static_cast<std::uint64_t>(i)).at("score"));
            scale_head(bridge.o, i, 0);
          }
          next = joined(next, bridge);
        }
      m[k] = moved(next, key.at("moved").at(k));
    }
    Decision found[3];
    for (int k = 0; k < 3; ++k) {
      found[k] = compare_attention(m[k], m[(k + 1) % 3], options).decision;
      ++told[static_cast<int>(found[k])];
    }
    CAPTURE(n);
    for (int k = 0; k < 3; ++k)
      CHECK_FALSE((found[k] == Decision::same && found[(k + 1) % 3] == Decision::same &&
                   found[(k + 2) % 3] == Decision::different));
  }
  for (const int times : told) CHECK(times > 500);
}

TEST_CASE("attention equivalence: silent heads between two others are no bridge") {
  const AttentionEquivalenceOptions options{.tolerance = 1e-3};
  const AttentionModule a = random_module({5, 1, 3, 3}, RandomKey(0, "bridge"));
  AttentionModule far = copy(a), bridged = copy(a);
  add_noise(far.q, 0, 0.03, RandomKey(1, "bridge"));
  for (int step = 1; step < 100; ++step) {
    AttentionModule between = copy(a);
    add_noise(between.q, 0, 3e-4 * step, RandomKey(1, "bridge"));
    scale_head(between.o, 0, 0);
    bridged = joined(bridged, between);
  }
  CHECK(compare_attention(a, bridged, options).decision == Decision::same);
  CHECK(compare_attention(bridged, far, options).decision == Decision::different);
  CHECK(compare_attention(a, far, options).decision == Decision::different);
}

TEST_CASE("attention equivalence: large heads that almost cancel are not nothing") {
  // Their scores differ by half of what is allowed, their values by nothing, and what is left of them outweighs a.
  const AttentionModule a = random_module({6, 2, 3, 3}, RandomKey(0, "cancel")),
                        one = random_module({6, 1, 3, 3}, RandomKey(1, "cancel"));
  AttentionModule anti = copy(one), large = copy(one);
  for (double& x : anti.q.span<double>()) x *= 1 + 5e-9;
  scale_head(large.o, 0, 1e12);
  scale_head(anti.o, 0, -1e12);
  CHECK(compare_attention(a, joined(joined(a, large), anti)).decision != Decision::same);
}

TEST_CASE("attention equivalence: what it refuses, word for word") {
  const AttentionModule m = random_module({4, 2, 3, 2}, RandomKey(0, "refusals"));
  AttentionModule wrong = copy(m);
  wrong.k = Tensor::zeros({2, 4, 2}, DType::f64);
  CHECK(message_of<ShapeError>([&] { compare_attention(m, wrong); }) ==
        "[equivalence] WK of module b has shape [2, 4, 2]; allowed beside WQ [2, 4, 3]: [2, 4, 3]");
  wrong.k = Tensor::zeros({4, 2}, DType::f64);
  CHECK(message_of<ShapeError>([&] { compare_attention(wrong, m); }) ==
        "[equivalence] WK of module a has shape [4, 2]; allowed: three axes, none of them empty");
  wrong.k = Tensor::zeros({2, 4, 3}, DType::i32);
  CHECK(message_of<DtypeError>([&] { compare_attention(wrong, m); }) ==
        "[equivalence] WK of module a is int32; allowed: float32, float64");
  CHECK(message_of<ShapeError>([&] {
          compare_attention(m, random_module({5, 2, 3, 2}, RandomKey(0, "r")));
        }) == "[equivalence] module a reads tokens of 4 numbers, module b of 5; allowed: the same");
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(), 1e300}) {
    wrong = copy(m);
    wrong.v[1].fill(bad);
    CHECK(message_of<NumericError>([&] { compare_attention(m, wrong); }) ==
          "[equivalence] WV WO of module b is not finite, or so large that products leave float64");
  }
  CHECK(message_of<UsageError>([&] { compare_attention(m, m, {.tolerance = 0}); }) ==
        "[equivalence] tolerance 0; allowed: between 0 and 1");
  CHECK(message_of<UsageError>([&] { compare_attention(m, m, {.rounding = -1}); }) ==
        "[equivalence] rounding -1; allowed: 0 to 1");
}
