// Poolings, learned scales and position embeddings: values, derivatives, groups, start values.

#include "weft/nfn/pooling.h"

#include <cmath>

#include <doctest/doctest.h>

#include "weft/autograd/gradcheck.h"
#include "weft/core/difference.h"
#include "weft/core/error.h"
#include "weft/groups/derive.h"
#include "weft/groups/element.h"
#include "weft/nfn/linear/linear.h"
#include "weft/ops/act.h"
#include "weft/ops/rows.h"
#include "weft/ops/view.h"

using namespace weft;

namespace {

using Vars = std::vector<Var>;
using Widths = std::vector<std::int64_t>;
/// Of a part of a model.
using Part = std::function<Vars(const Features&)>;

constexpr std::int64_t batch = 2, channels = 3;
const std::array<std::int64_t, 2> taps[] = {{2, 2}, {1, 1}, {1, 2}};

Space network(FactorKind kind) { return cnn_space(Widths{2, 4, 5, 3}, taps, kind); }

std::vector<Tensor> normals(const Space& space, RandomKey key) {
  std::vector<Tensor> all;
  for (int i = 0; i < static_cast<int>(space.tensors().size()); ++i) {
    all.push_back(Tensor::zeros(space.feature_shape(i, batch, channels), DType::f64));
    fill_normal(all.back(), key.at(static_cast<std::uint64_t>(i)));
  }
  return all;
}

/// Every learned number drawn anew, so that gains, shifts and positions differ.
void draw(Parameters& parameters, RandomKey key) {
  parameters.allocate(DType::f64, key);
  for (int i = 0; i < parameters.count(); ++i)
    fill_normal(parameters.value(i), key.at("learned").at(static_cast<std::uint64_t>(i)), 0.5);
}

std::vector<std::vector<double>> values(const Part& part, const Space& space, const std::vector<Tensor>& x) {
  Arena arena;
  Tape tape(arena);
  std::vector<std::vector<double>> all;
  for (const Var& y : part(Features::constant(tape, space, x))) {
    const auto y64 = y.value().span<double>();
    all.emplace_back(y64.begin(), y64.end());
  }
  return all;
}

/// Largest change over the largest value, of an invariant module under 4 elements of `acting`.
double invariance_error(const Part& part, const Space& space, const Space& acting, RandomKey key) {
  const auto x = normals(space, key);
  const auto y = values(part, space, x)[0];
  double worst = 0;
  for (std::uint64_t trial = 0; trial < 4; ++trial) {
    const Element g = Element::random(acting, key.at("element").at(trial), {.scale_low = 0.01, .scale_high = 100});
    auto moved = x;
    for (std::size_t i = 0; i < x.size(); ++i) moved[i] = act(g, static_cast<int>(i), x[i]);
    worst = worse(worst, relative_error(values(part, space, moved)[0], y));
  }
  return worst;
}

/// Features and learned numbers are differentiated alike.
void check_gradients(const Part& part, const Parameters& parameters, const Space& space, RandomKey key) {
  std::vector<GradcheckInput> inputs;
  const auto x = normals(space, key);
  for (const Tensor& t : x)  // away from the kink of abs
    for (double& v : t.span<double>()) v += std::copysign(0.1, v);
  for (std::size_t i = 0; i < x.size(); ++i) inputs.push_back({x[i], space.type(static_cast<int>(i))});
  const GradcheckReport report = gradcheck(
      [&](Tape&, std::span<const Var> in) {
        return part({space, in});
      },
      inputs, key);
  CHECK(report.direction_error < 1e-8);
  // Of one learned number at a time, by central differences of <cotangent, y>.
  auto weighted = [&](bool backward) {
    Arena arena;
    Tape tape(arena);
    const Vars y = part(Features::leaf(tape, space, x));
    std::vector<Tensor> cotangents;
    double sum = 0;
    for (std::size_t i = 0; i < y.size(); ++i) {
      cotangents.push_back(Tensor::zeros(y[i].shape(), DType::f64));
      fill_normal(cotangents.back(), key.at("cotangent").at(static_cast<std::uint64_t>(i)));
      for (std::int64_t k = 0; k < y[i].value().numel(); ++k)
        sum += cotangents.back().data<double>()[k] * y[i].value().data<double>()[k];
    }
    if (backward) tape.backward(y, cotangents);
    return sum;
  };
  if (parameters.count() == 0) return;
  weighted(true);
  constexpr double step = 1e-5;
  for (int i = 0; i < parameters.count(); ++i)
    for (std::int64_t k = 0; k < parameters.value(i).numel(); ++k) {
      double& number = parameters.value(i).data<double>()[k];
      const double before = number, gradient = parameters.grad(i).data<double>()[k];
      number = before + step;
      const double above = weighted(false);
      number = before - step;
      const double below = weighted(false);
      number = before;
      CAPTURE(parameters.name(i));
      CHECK(gradient == doctest::Approx((above - below) / (2 * step)).epsilon(1e-6).scale(1));
    }
}

Part pooled(const NormalisingPool& pool) {
  return [&pool](const Features& x) { return Vars{pool(x)}; };
}
const Part means = [](const Features& x) { return Vars{mean_pool(x)}; };

/// mean_pool by loops: the mean of f(feature, batch, channel, entry) over the moved axes.
template <class Entry>
std::vector<double> naive_pool(const Space& space, const Entry& entry) {
  std::vector<double> y;
  for (std::int64_t b = 0; b < batch; ++b)
    for (int f = 0; f < static_cast<int>(space.tensors().size()); ++f) {
      const Shape axes = space.axes_shape(f);
      const std::int64_t rows = axes.rank() > 1 ? axes[0] : 1, columns = axes[axes.rank() - 1];
      const bool keeps_columns = f == 0 || f == 5, keeps_rows = f == 4;  // W1 over rows, W3 over columns, b3 itself
      for (std::int64_t c = 0; c < space.feature_shape(f, batch, channels)[1]; ++c) {
        std::vector<double> sums(static_cast<std::size_t>(keeps_columns ? columns : keeps_rows ? rows : 1));
        for (std::int64_t i = 0; i < rows; ++i)
          for (std::int64_t j = 0; j < columns; ++j)
            sums[static_cast<std::size_t>(keeps_columns ? j : keeps_rows ? i : 0)] += entry(f, b, c, i * columns + j);
        const auto n = static_cast<double>(rows * columns) / static_cast<double>(sums.size());
        for (double s : sums) y.push_back(s / n);
      }
    }
  return y;
}

double at(const Tensor& x, std::int64_t b, std::int64_t c, std::int64_t i) {
  const std::int64_t size = x.numel() / (x.dim(0) * x.dim(1));
  return x.data<double>()[(b * x.dim(1) + c) * size + i];
}

}  // namespace

TEST_CASE("pooling: the HNP pool is the means of spec 4.3") {
  const Space space = network(FactorKind::permutation);
  const RandomKey key(1, "pooling_test");
  const auto x = normals(space, key);
  const auto y = values(means, space, x)[0];
  const auto expected = naive_pool(space, [&](int f, std::int64_t b, std::int64_t c, std::int64_t i) {
    return at(x[static_cast<std::size_t>(f)], b, c, i);
  });
  CHECK(static_cast<std::int64_t>(y.size()) == batch * pooled_size(space, channels));
  CHECK(relative_error(y, expected) < 1e-12);
  check_gradients(means, Parameters(), space, key);
  CHECK(invariance_error(means, space, space, key) < 1e-9);
  CHECK(invariance_error(means, space, space.with_kind(FactorKind::fixed, FactorKind::permutation), key) > 1e-4);
  // Ends that permute are averaged too.
  const Space permuted = space.with_kind(FactorKind::fixed, FactorKind::permutation);
  CHECK(pooled_size(permuted, channels) < pooled_size(space, channels));
  CHECK(invariance_error(means, permuted, permuted, key) < 1e-9);
}

TEST_CASE("pooling: means over scales, signs and GL are refused") {
  for (const FactorKind kind : {FactorKind::positive_monomial, FactorKind::sign_monomial}) {
    const Space space = network(kind);
    CHECK_THROWS_WITH_AS(values(means, space, normals(space, RandomKey(2, "pooling_test"))),
                         doctest::Contains("[mean] tensor 'W1', axis 0 'h1'"), TypeError);
  }
  const Space space = Space::parse("G: GL(3) x[G]");
  const Module model;
  Parameters& parameters = model.parameters();
  const NormalisingPool pool(model, "pool", space, channels);
  parameters.allocate(DType::f64, RandomKey(2, "pooling_test"));
  CHECK_THROWS_WITH_AS(
      values(pooled(pool), space, normals(space, RandomKey(2, "pooling_test"))),
      "[normalising_pool] tensor 'x', axis 0 'G' (GL(3)): normalising_pool: GL mixes the entries whose norms it "
      "takes; contract the axis first",
      TypeError);
}

TEST_CASE("pooling: the normalising pool by loops, its derivatives and its groups") {
  for (const FactorKind kind : {FactorKind::permutation, FactorKind::positive_monomial, FactorKind::sign_monomial}) {
    CAPTURE(kind->name);
    const Space space = network(kind);
    const RandomKey key(3, "pooling_test");
    const Module model;
    Parameters& parameters = model.parameters();
    const NormalisingPool pool(model, "pool", space, channels);
    draw(parameters, key);
    const auto x = normals(space, key);
    const auto expected = naive_pool(space, [&](int f, std::int64_t b, std::int64_t c, std::int64_t i) {
      const Tensor& t = x[static_cast<std::size_t>(f)];
      if (f == 5) return at(t, b, c, i);
      double norm = 0;
      for (std::int64_t k = 0; k < t.dim(1); ++k) norm += at(t, b, k, i) * at(t, b, k, i);
      const double v = kind == FactorKind::sign_monomial ? std::abs(at(t, b, c, i)) : at(t, b, c, i);
      const std::string full = "pool." + space.tensors()[static_cast<std::size_t>(f)].name;
      return parameters.value(parameters.find(full + ".gain")).data<double>()[c] * v / std::sqrt(norm) +
             parameters.value(parameters.find(full + ".shift")).data<double>()[c];
    });
    CHECK(relative_error(values(pooled(pool), space, x)[0], expected) < 1e-12);
    check_gradients(pooled(pool), parameters, space, key);
    CHECK(invariance_error(pooled(pool), space, space, key) < 1e-9);
    // Signs are no symmetry of the other two, moved ends of none.
    if (kind != FactorKind::sign_monomial)
      CHECK(invariance_error(pooled(pool), space, network(FactorKind::sign_monomial), key) > 1e-4);
    CHECK(invariance_error(pooled(pool), space, space.with_kind(FactorKind::fixed, FactorKind::permutation), key) >
          1e-4);
  }
}

TEST_CASE("pooling: the normalising pool with moved and kept axes in any order") {
  const Space space = Space::parse(
      "f: fixed(2); g: fixed(3); p: permutation(4); q: permutation(5) a[p, f, q] b[f, p, g] c[q, f, g] d[g, p, q, f] "
      "e[p, q]");
  const RandomKey key(7, "pooling_test");
  const Module model;
  Parameters& parameters = model.parameters();
  const NormalisingPool pool(model, "pool", space, channels);
  parameters.allocate(DType::f64, key);
  const Part composed = [](const Features& x) {
    Vars normed;
    for (const Var& v : x.vars()) normed.push_back(l2_normalise(v, 1));
    return Vars{mean_pool({x.space(), normed})};
  };
  const auto x = normals(space, key);
  const auto y = values(pooled(pool), space, x)[0];
  CHECK(static_cast<std::int64_t>(y.size()) == batch * pooled_size(space, channels));
  CHECK(relative_error(y, values(composed, space, x)[0]) < 1e-12);
  draw(parameters, key);
  check_gradients(pooled(pool), parameters, space, key);
  CHECK(invariance_error(pooled(pool), space, space, key) < 1e-9);
}

TEST_CASE("pooling: start values") {
  const Space space = network(FactorKind::positive_monomial);
  const Module model;
  Parameters& parameters = model.parameters();
  const NormalisingPool pool(model, "pool", space, channels);
  const LearnedScale scale(model, "scale", space);
  const std::string_view ends[] = {"in", "out"};
  const PositionEmbedding embedding(model, "position", network(FactorKind::permutation), channels, ends);
  parameters.allocate(DType::f32, RandomKey(4, "pooling_test"));
  CHECK(parameters.count() == 5 * 2 + 6 + 3);
  for (int i = 0; i < parameters.count(); ++i) {
    const std::string& n = parameters.name(i);
    const float expected = n.ends_with(".gain") ? 1.f : n.starts_with("scale.") ? 0.01f : 0.f;
    CAPTURE(n);
    for (float v : parameters.value(i).span<float>()) CHECK(v == expected);
  }
  CHECK(parameters.value(parameters.find("pool.W1.gain")).shape() == Shape{4 * channels});
}

TEST_CASE("pooling: learned scales are equivariant under every group") {
  for (const FactorKind kind : {FactorKind::permutation, FactorKind::positive_monomial, FactorKind::sign_monomial}) {
    const Space space = network(kind);
    const RandomKey key(5, "pooling_test");
    const Module model;
    Parameters& parameters = model.parameters();
    const LearnedScale scale(model, "scale", space);
    draw(parameters, key);
    const Part run = [&](const Features& x) {
      const Features y = scale(x);
      for (std::size_t i = 0; i < y.vars().size(); ++i) CHECK(y.vars()[i].type() == x.vars()[i].type());
      return Vars(y.vars().begin(), y.vars().end());
    };
    const auto x = normals(space, key);
    const auto y = values(run, space, x);
    for (std::size_t i = 0; i < x.size(); ++i)
      for (std::size_t k = 0; k < y[i].size(); ++k)
        CHECK(y[i][k] ==
              doctest::Approx(parameters.value(static_cast<int>(i)).data<double>()[0] * x[i].data<double>()[k]));
    check_gradients(run, parameters, space, key);
  }
}

TEST_CASE("pooling: position embeddings break the permutations of the ends, and keep the hidden ones") {
  const Widths widths{2, 4, 5, 3};
  const Space fixed = mlp_space(widths, FactorKind::permutation),
              permuted = fixed.with_kind(FactorKind::fixed, FactorKind::permutation);
  const RandomKey key(6, "pooling_test");
  const std::string_view ends[] = {"in", "out"};
  const Module model;
  Parameters& parameters = model.parameters();
  const PositionEmbedding embedding(model, "position", fixed, channels, ends);
  // The list of NP, on a space whose ends are fixed.
  const LinearLayer layer(model, "np", fixed, fixed, derive_linear(permuted, permuted, {.means = true}), channels,
                          channels);
  draw(parameters, key);
  auto invariant = [&](bool embeds) {
    return [&, embeds](const Features& x) {
      // The mean of a linear layer alone would not see positions.
      const Var pool = mean_pool(layer(embeds ? embedding(x) : x, {UnaryOp::Relu, 0, key}));
      // b3 averaged by hand: the features are typed with fixed ends.
      return Vars{mean(slice(pool, 1, pool.shape()[1] - channels * 3, pool.shape()[1]), 1)};
    };
  };
  CHECK(invariance_error(invariant(true), fixed, fixed, key) < 1e-9);
  CHECK(invariance_error(invariant(false), fixed, permuted, key) < 1e-9);
  CHECK(invariance_error(invariant(true), fixed, permuted, key) > 1e-4);

  const auto vars_of = [](const Features& f) { return Vars(f.vars().begin(), f.vars().end()); };
  const Part embed = [&](const Features& in) { return vars_of(embedding(in)); };
  const auto x = normals(fixed, key);
  const auto y = values(embed, fixed, x);
  const double* phi = parameters.value(parameters.find("position.W1.phi1")).data<double>();
  for (std::int64_t c = 0; c < channels; ++c)
    for (std::int64_t i = 0; i < 8; ++i)
      CHECK(y[0][static_cast<std::size_t>(c * 8 + i)] == doctest::Approx(at(x[0], 0, c, i) + phi[c * 2 + i % 2]));
  const Module other;
  Parameters& alone = other.parameters();
  const PositionEmbedding only(other, "position", fixed, channels, ends);
  draw(alone, key);
  check_gradients([&](const Features& in) { return vars_of(only(in)); }, alone, fixed, key);

  const Module refused;
  CHECK_THROWS_AS(PositionEmbedding(refused, "position", permuted, channels, ends), TypeError);
  const std::string_view unknown[] = {"nowhere"};
  CHECK_THROWS_WITH_AS(PositionEmbedding(refused, "position", fixed, channels, unknown),
                       "[position_embedding] no factor 'nowhere' in the space", UsageError);
}
