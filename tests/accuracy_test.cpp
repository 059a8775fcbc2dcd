// Models that read networks: baselines, MAGEP's predictor, their training, and what verify says of them.

#include <algorithm>
#include <cmath>
#include <limits>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "weft/core/difference.h"
#include "weft/nfn/baselines/statistics.h"
#include "weft/nn/metrics.h"
#include "weft/ops/act.h"
#include "weft/ops/view.h"
#include "weft/tasks/fit.h"
#include "weft/tasks/moves.h"
#include "weft/tasks/verify.h"
#include "weft/tests/model_settings.h"

using namespace weft;

namespace {

constexpr std::int64_t widths[] = {2, 5, 4, 3};
constexpr std::array<std::int64_t, 2> taps[] = {{3, 2}, {1, 1}, {1, 1}};

std::vector<Tensor> random_networks(const Space& space, std::int64_t n, RandomKey key, DType dtype = DType::f64) {
  std::vector<Tensor> out;
  for (int t = 0; t < static_cast<int>(space.tensors().size()); ++t) {
    out.push_back(Tensor::zeros(space.feature_shape(t, n, 1), dtype));
    fill_normal(out.back(), key.at(static_cast<std::uint64_t>(t)));
  }
  return out;
}

std::vector<std::int64_t> ids(std::int64_t n) {
  std::vector<std::int64_t> out(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::int64_t>(i);
  return out;
}

/// Networks whose target is a function of the weights that the group leaves alone; the model is standardised by them.
Examples examples(Reader& model, std::int64_t n, RandomKey key) {
  const auto weights = random_networks(model.space(), n, key, DType::f32);
  model.standardise(weights);
  const Tensor target = Tensor::zeros({n}, DType::f32);
  const Tensor& last_bias = weights.back();
  for (std::int64_t i = 0; i < n; ++i)
    target.data<float>()[i] = 1 / (1 + std::exp(-2 * last_bias.data<float>()[i * last_bias.dim(2)]));
  return {model.prepare(weights), target};
}

}  // namespace

TEST_CASE("statistics of a tensor") {
  const Space space = Space::parse("f: fixed(4) A[f] B[f]");
  const double a[] = {4, 1, 3, 2}, b[] = {-1, -1, -1, 5};
  const Tensor weights[] = {Tensor::from<double>(a, {1, 1, 4}), Tensor::from<double>(b, {1, 1, 4})};
  const Tensor got = weight_statistics(space, weights);
  // mean, biased variance, quantiles with linear interpolation
  const double expected[] = {2.5, 1.25, 1, 1.75, 2.5, 3.25, 4, 0.5, 6.75, -1, -1, -1, 0.5, 5};
  REQUIRE(got.shape() == Shape{1, 14});
  for (std::int64_t i = 0; i < 14; ++i) CHECK(got.data<double>()[i] == doctest::Approx(expected[i]));
  CHECK_THROWS_WITH_AS(weight_statistics(space, std::span(weights, 1)),
                       "[weight_statistics] 1 tensors; the space has 2", ShapeError);
}

TEST_CASE("balanced networks: equal norms, the same for all scalings, the same function class") {
  const Space space = cnn_space(widths, taps, FactorKind::positive_monomial);
  const auto weights = random_networks(space, 6, RandomKey(1, "balanced"));
  const auto once = balanced(space, weights);
  // Incoming and outgoing norms of h1 agree: W1, b1 against W2.
  for (std::int64_t n = 0; n < 6; ++n)
    for (std::int64_t j = 0; j < 5; ++j) {
      double in = std::pow(once[1].data<double>()[n * 5 + j], 2), out = 0;
      for (std::int64_t t = 0; t < 6; ++t)
        for (std::int64_t k = 0; k < 2; ++k) in += std::pow(once[0].data<double>()[((n * 6 + t) * 5 + j) * 2 + k], 2);
      for (std::int64_t k = 0; k < 4; ++k) out += std::pow(once[2].data<double>()[(n * 4 + k) * 5 + j], 2);
      CHECK(in == doctest::Approx(out).epsilon(1e-8));
    }
  for (const int strength : {1, 2, 4}) {
    const auto moved = moved_networks(space, weights, ids(6), strength, 3);
    // Up to the permutation, which statistics forget.
    const Tensor a = weight_statistics(space, once), b = weight_statistics(space, balanced(space, moved));
    CHECK(largest_difference(a, b) < 1e-7);
  }
  CHECK_THROWS_AS(balanced(cnn_space(widths, taps, FactorKind::sign_monomial), weights), TypeError);
  auto dead = random_networks(space, 1, RandomKey(2, "dead"));
  for (std::int64_t k = 0; k < 4; ++k) dead[2].data<double>()[k * 5] = 0;  // neuron 0 of h1 goes nowhere
  CHECK(balanced(space, dead)[1].data<double>()[0] == 0);
}

TEST_CASE("balanced networks, statistics and standardised ones: what is no number is refused, and named") {
  const Space space = mlp_space(widths, FactorKind::positive_monomial);
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()})
    for (const std::size_t t : {0u, 1u, 2u}) {
      auto weights = random_networks(space, 4, RandomKey(1, "not finite"));
      const Tensor& w = weights[t];
      w.data<double>()[2 * (w.numel() / 4) + 1] = bad;
      const std::string message =
          fmt::format("'{}' of network 2 is {}; allowed: finite weights", space.tensors()[t].name, bad);
      CHECK_THROWS_WITH_AS(balanced(space, weights), ("[balanced] " + message).c_str(), NumericError);
      CHECK_THROWS_WITH_AS(weight_statistics(space, weights), ("[weight_statistics] " + message).c_str(), NumericError);
    }
  // Squares that leave float64.
  const auto large = random_networks(space, 2, RandomKey(2, "not finite"));
  large[0][1].fill(1e200);
  CHECK_THROWS_WITH_AS(balanced(space, large),
                       "[balanced] network 1 leaves float64; are its weights of a size that can be squared?",
                       NumericError);
  auto model = make_reader("mlp", {{"hidden", 4}}, space, DType::f32, RandomKey(3, "not finite"));
  const auto weights = random_networks(space, 3, RandomKey(3, "not finite"), DType::f32);
  weights[0].data<float>()[0] = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_AS(model->standardise(weights), NumericError);
}

TEST_CASE("balance: the scales carry a network to its balance") {
  const Space space = cnn_space(widths, taps, FactorKind::positive_monomial);
  const auto weights = random_networks(space, 3, RandomKey(1, "balance scales"));
  const Balance found = balance(space, weights);
  for (std::int64_t n = 0; n < 3; ++n) {
    const Element identity = Element::identity(space);
    std::vector<ElementPart> parts(identity.parts().begin(), identity.parts().end());
    for (std::size_t f = 0; f < parts.size(); ++f)
      for (std::size_t i = 0; i < parts[f].scale.size(); ++i) parts[f].scale[i] = found.scales[f][n].data<double>()[i];
    const Element g(space, parts);
    for (std::size_t t = 0; t < weights.size(); ++t)
      CHECK(largest_difference(act(g, static_cast<int>(t), weights[t].slice(n, n + 1)),
                               found.weights[t].slice(n, n + 1)) < 1e-12);
  }
}

TEST_CASE("moved networks: strength 0 permutes, ids key the elements") {
  const Space space = mlp_space(widths, FactorKind::positive_monomial);
  const auto weights = random_networks(space, 4, RandomKey(3, "moved"));
  const auto moved = moved_networks(space, weights, ids(4), 0, 9);
  auto sorted = [](const Tensor& t) {
    std::vector<double> v(t.span<double>().begin(), t.span<double>().end());
    std::sort(v.begin(), v.end());
    return v;
  };
  for (std::size_t t = 0; t < weights.size(); ++t) CHECK(sorted(weights[t]) == sorted(moved[t]));
  // Network 2 alone moves as it did among the others.
  std::vector<Tensor> second;
  for (const Tensor& w : weights) second.push_back(w.slice(2, 3));
  const std::int64_t two[] = {2};
  const auto alone = moved_networks(space, second, two, 3, 9), all = moved_networks(space, weights, ids(4), 3, 9);
  for (std::size_t t = 0; t < weights.size(); ++t) CHECK(largest_difference(alone[t], all[t].slice(2, 3)) == 0);
}

/// Models of chains of dense layers.
constexpr const char* dense_kinds[] = {"magep", "statnn", "balanced-statnn", "mlp"};

TEST_CASE("verify: Transformer-NFN is invariant, and controls are noticed") {
  const Space space = transformer_network_space({6, 5, 3, 4, 2, 2}, {7, 8, 4});
  const auto model = make_reader("transformer-nfn", {}, space, DType::f64, RandomKey(4, "verify"));
  for (const VerifyRow& row : verify_invariance(*model, 5)) {
    CAPTURE(row.check);
    CAPTURE(row.error);
    CHECK(row.passed);
  }
}

TEST_CASE("verify: MAGEP is invariant, balanced StatNN under scales, StatNN and MLP are not") {
  for (const FactorKind hidden : {FactorKind::positive_monomial, FactorKind::sign_monomial, FactorKind::permutation})
    for (const char* kind : dense_kinds) {
      if (std::string_view(kind) == "balanced-statnn" && hidden != FactorKind::positive_monomial) continue;
      const Space space = cnn_space(widths, taps, hidden);
      auto model = make_reader(kind, testing::of_kind(kind, {{"channels", 6}, {"hidden", 16}}), space, DType::f64,
                               RandomKey(4, "verify"));
      bool invariant = true, controlled = true;
      for (const VerifyRow& row : verify_invariance(*model, 5)) (row.control ? controlled : invariant) &= row.passed;
      CAPTURE(kind);
      CAPTURE(hidden->name);
      const std::string_view k = kind;
      CHECK(invariant ==
            (k == "magep" || k == "balanced-statnn" || (k == "statnn" && hidden == FactorKind::permutation)));
      CHECK(controlled);
    }
}

TEST_CASE("fit: learns, stops, resumes with the same bits") {
  const Space space = mlp_space(widths, FactorKind::positive_monomial);
  for (const char* kind : dense_kinds) {
    CAPTURE(kind);
    const FitConfig config{.learning_rate = 3e-3, .batch = 8, .epochs = 12, .patience = 12, .seed = 1};
    auto make = [&] {
      return make_reader(kind, testing::of_kind(kind, {{"channels", 4}, {"hidden", 32}}), space, DType::f32,
                         RandomKey(6, "fit"));
    };
    auto model = make();
    const Examples validation = examples(*model, 40, RandomKey(7, "validation")),
                   train = examples(*model, 160, RandomKey(7, "train"));
    Fit fit(*model, config, train, validation);
    const Trainer::Cost cost = fit.try_step();
    CHECK(cost.bytes > 4 * model->parameters().flat_values().bytes() - 1);
    std::vector<std::pair<std::string, Tensor>> saved;
    while (!fit.done()) {
      fit.run_epoch();
      if (fit.log().size() == 5)
        for (const auto& [name, tensor] : fit.state()) saved.emplace_back(name, tensor.clone());
    }
    CHECK(fit.log().back().train_loss < fit.log().front().train_loss);
    if (std::string_view(kind) == "magep")
      CHECK(validation_metric(fit.log()[static_cast<std::size_t>(fit.best_epoch() - 1)]) > 0.5);

    auto again = make();
    Fit resumed(*again, config, train, validation);
    resumed.resume([&](const std::string& name) {
      for (const auto& [n, tensor] : saved)
        if (n == name) return tensor;
      throw FormatError("no {}", name);
    });
    while (!resumed.done()) resumed.run_epoch();
    const auto a = model->parameters().flat_values().span<float>(), b = again->parameters().flat_values().span<float>();
    CHECK(std::equal(a.begin(), a.end(), b.begin(), b.end()));
    CHECK(resumed.best_epoch() == fit.best_epoch());
  }
  auto model = make_reader("mlp", {{"hidden", 8}}, space, DType::f32, RandomKey(6, "fit"));
  const Examples some = examples(*model, 16, RandomKey(8, "some"));
  CHECK_THROWS_WITH_AS(Fit(*model, {.batch = 0}, some, some),
                       "[fit] batch 0, epochs 100, patience 20, learning rate 0.001; allowed: positive ones",
                       UsageError);
  for (float wrong : {1.5f, -0.1f, std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    const Examples bad{some.prepared, some.target.clone()};
    bad.target.data<float>()[3] = wrong;
    CHECK_THROWS_AS(Fit(*model, {}, bad, some), const UsageError&);
    CHECK_THROWS_AS(Fit(*model, {}, some, bad), const UsageError&);
  }
  Fit wild(*model, {.learning_rate = 1e30}, some, some);
  CHECK_THROWS_AS(for (int i = 0; i < 10; ++i) wild.run_epoch(), NumericError);
}

/// Keeps the networks that it is shown.
struct Watcher final : Reader {
  mutable std::vector<std::vector<Tensor>> shown;
  const Tensor first_ = Tensor::zeros({64}, DType::i32);

  explicit Watcher(const Space& space) : Reader("watcher", {}, space, 1) {
    add_parameter("bias", {1}, Init::zeros());
    init(RandomKey(1, "watcher"), DType::f64);
  }
  std::vector<Tensor> prepare(std::span<const Tensor> weights) const override {
    return {weights.begin(), weights.end()};
  }
  std::vector<FixedAxis> fixed_axes() const override { return fixed_axes_of(space_); }
  Var forward(Tape& tape, std::span<const Tensor> prepared, const std::optional<RandomKey>&) const override {
    auto& now = shown.emplace_back();
    for (const Tensor& t : prepared) now.push_back(t.clone());
    return reshape(gather(on(tape, 0), 0, first_.slice(0, prepared[0].dim(0))), {prepared[0].dim(0), 1});
  }
};

/// Gives numbers for the first networks that it sees and infinite ones for all others.
struct Fragile final : Reader {
  mutable int calls = 0;

  explicit Fragile(const Space& space) : Reader("fragile", {}, space, 1) {
    add_parameter("bias", {1}, Init::constant(1));
    init(RandomKey(1, "fragile"), DType::f64);
  }
  std::vector<Tensor> prepare(std::span<const Tensor> weights) const override {
    return {weights.begin(), weights.end()};
  }
  Var forward(Tape& tape, std::span<const Tensor> prepared, const std::optional<RandomKey>&) const override {
    const Tensor y = Tensor::zeros({prepared[0].dim(0), 1}, DType::f64);
    y.fill(++calls == 1 ? 1 : std::numeric_limits<double>::infinity());
    return tape.constant(y);
  }
};

TEST_CASE("verify: a prediction that is no number passes no check, controls included") {
  const Fragile model(mlp_space(widths, FactorKind::positive_monomial));
  const std::vector<VerifyRow> rows = verify_invariance(model, 5);
  CHECK(rows.size() > 3);
  for (const VerifyRow& row : rows) {
    CAPTURE(row.check);
    CHECK_FALSE(row.passed);
    CHECK(std::isnan(row.error));
  }
}

TEST_CASE("models: unknown kinds are refused") {
  const Space space = mlp_space(widths, FactorKind::positive_monomial);
  CHECK_THROWS_WITH_AS(make_reader("tree", {}, space, DType::f32, RandomKey(1, "x")),
                       doctest::Contains("[model] 'tree'; allowed: magep, transformer-nfn, statnn, balanced-statnn, "),
                       UsageError);
  CHECK_THROWS_WITH_AS(make_reader("transformer-nfn", {{"classifier", "tree"}}, space, DType::f32, RandomKey(1, "x")),
                       "[settings] model 'transformer-nfn': classifier 'tree'; allowed: linear, magep, flat",
                       UsageError);
}

TEST_CASE("fit: permuted axes move together, anew at each step, and nothing else moves") {
  const Space space = Space::parse("a: fixed(5); b: fixed(4); h: permutation(3) X[a, h] Y[h, b, a] Z[b]");
  const std::int64_t n = 6;
  // Every number says where it stands.
  std::vector<Tensor> weights;
  for (int t = 0; t < 3; ++t) {
    weights.push_back(Tensor::zeros(space.feature_shape(t, n, 1), DType::f64));
    for (std::int64_t i = 0; i < weights.back().numel(); ++i)
      weights.back().data<double>()[i] = static_cast<double>(i % (weights.back().numel() / n));
  }
  const Tensor target = Tensor::zeros({n}, DType::f64);
  target.fill(0.5);
  auto train = [&](bool permute, std::uint64_t seed) {
    Watcher model(space);
    const Examples all{model.prepare(weights), target};
    Fit fit(model, {.batch = 4, .epochs = 3, .permute_fixed = permute, .seed = seed}, all, all);
    model.shown.clear();
    while (!fit.done()) fit.run_epoch();
    // Two steps an epoch; then the validation networks, which never move.
    std::vector<std::vector<Tensor>> steps;
    for (std::size_t i = 0; i < model.shown.size(); ++i)
      if (i % 3 < 2)
        steps.push_back(model.shown[i]);
      else
        for (std::size_t t = 0; t < 3; ++t) CHECK(largest_difference(model.shown[i][t], weights[t]) == 0);
    return steps;
  };
  for (const auto& step : train(false, 1))
    for (std::size_t t = 0; t < 3; ++t) CHECK(largest_difference(step[t], weights[t].slice(0, step[t].dim(0))) == 0);
  const auto steps = train(true, 1), again = train(true, 1), other = train(true, 2);
  REQUIRE(steps.size() == 6);
  int changed = 0, differs = 0;
  for (std::size_t s = 0; s < steps.size(); ++s) {
    const Tensor &X = steps[s][0], &Y = steps[s][1], &Z = steps[s][2];
    for (std::int64_t i = 0; i < X.dim(0); ++i)
      for (std::int64_t a = 0; a < 5; ++a)
        for (std::int64_t h = 0; h < 3; ++h) {
          const double from_a = std::floor(X[i].data<double>()[a * 3 + h] / 3);
          CHECK(X[i].data<double>()[a * 3 + h] == from_a * 3 + static_cast<double>(h));
          for (std::int64_t b = 0; b < 4; ++b)
            CHECK(Y[i].data<double>()[(h * 4 + b) * 5 + a] ==
                  (static_cast<double>(h) * 4 + Z[i].data<double>()[b]) * 5 + from_a);
        }
    for (std::size_t t = 0; t < 3; ++t) CHECK(largest_difference(steps[s][t], again[s][t]) == 0);
    changed += s > 0 && largest_difference(steps[s][1].slice(0, 2), steps[s - 1][1].slice(0, 2)) > 0;
    differs += largest_difference(steps[s][1], other[s][1]) > 0;
  }
  CHECK(changed == 5);
  CHECK(differs == 6);
  auto mlp = make_reader("mlp", {{"hidden", 8}}, mlp_space(widths, FactorKind::positive_monomial), DType::f32,
                         RandomKey(6, "fit"));
  const Examples some = examples(*mlp, 4, RandomKey(8, "some"));
  CHECK_THROWS_WITH_AS(
      Fit(*mlp, {.permute_fixed = true}, some, some),
      "[fit] permuted axes: a 'mlp' model of this space has none that its layers take as fixed; train without",
      UsageError);
}

TEST_CASE("fit: the learning rate rises over the warm-up and falls to the end") {
  const Space space = mlp_space(widths, FactorKind::positive_monomial);
  const Examples some =
      examples(*make_reader("mlp", {{"hidden", 8}}, space, DType::f32, RandomKey(6, "fit")), 16, RandomKey(8, "some"));
  // One step an epoch. Adam's first step is the learning rate in every number, later ones are about as large.
  auto moves = [&](std::int64_t warmup) {
    auto model = make_reader("mlp", {{"hidden", 8}}, space, DType::f32, RandomKey(6, "fit"));
    Fit fit(*model, {.batch = 16, .epochs = 12, .patience = 12, .warmup = warmup}, some, some);
    std::vector<double> largest;
    while (!fit.done()) {
      const Tensor before = model->parameters().flat_values().clone();
      fit.run_epoch();
      largest.push_back(largest_difference(model->parameters().flat_values(), before));
    }
    return largest;
  };
  const std::vector<double> constant = moves(0), shaped = moves(4);
  CHECK(constant.front() == doctest::Approx(1e-3).epsilon(1e-2));
  CHECK(constant.back() > 2e-4);
  CHECK(shaped.front() == doctest::Approx(2.5e-4).epsilon(1e-2));
  CHECK(shaped.back() < 3e-5);
  CHECK_THROWS_WITH_AS(moves(13), "[fit] warm-up of 13 epochs; allowed: 0 to the 12 of the training", UsageError);
  CHECK(training_settings("transformer-nfn").whole("warmup") == 10);
  CHECK(training_settings("magep").whole("warmup") == 0);
}
