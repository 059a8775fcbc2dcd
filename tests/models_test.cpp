// The models of spec 2.6: invariance, size, and a step that takes no new memory.

#include <algorithm>
#include <cmath>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "weft/core/difference.h"
#include "weft/groups/element.h"
#include "weft/groups/sine_group.h"
#include "weft/nfn/models/inr_classifier.h"
#include "weft/nfn/models/reader.h"
#include "weft/nn/losses.h"
#include "weft/nn/optim.h"
#include "weft/ops/act.h"
#include "weft/tests/model_settings.h"

using namespace weft;

namespace {

using Vars = std::vector<Var>;
using Model = std::function<Var(std::span<const Var>)>;

std::vector<Tensor> networks(const Space& space, std::int64_t batch, DType dtype, RandomKey key) {
  std::vector<Tensor> all;
  for (int i = 0; i < static_cast<int>(space.tensors().size()); ++i) {
    all.push_back(Tensor::zeros(space.feature_shape(i, batch, 1), dtype));
    fill_normal(all.back(), key.at(static_cast<std::uint64_t>(i)), 0, 0.5);
  }
  return all;
}

Vars on_tape(Tape& tape, const Space& space, const std::vector<Tensor>& values) {
  Vars x;
  for (std::size_t i = 0; i < values.size(); ++i)
    x.push_back(tape.constant(values[i], space.type(static_cast<int>(i))));
  return x;
}

/// Largest change of the model's output under elements of `acting`, over its largest value.
double group_error(const Model& model, const Space& space, const Space& acting, const std::vector<Tensor>& x,
                   RandomKey key) {
  auto evaluate = [&](const std::vector<Tensor>& values) {
    Arena arena;
    Tape tape(arena);
    return model(on_tape(tape, space, values)).value().clone();
  };
  const Tensor y = evaluate(x);
  double worst = 0;
  for (std::uint64_t trial = 0; trial < 4; ++trial) {
    const Element g = Element::random(acting, key.at(trial));
    std::vector<Tensor> moved = x;
    for (std::size_t i = 0; i < moved.size(); ++i) moved[i] = act(g, static_cast<int>(i), moved[i]);
    worst = worse(worst, relative_error(evaluate(moved), y));
  }
  return worst;
}

std::int64_t count(const Parameters& parameters) {
  std::int64_t n = 0;
  for (int i = 0; i < parameters.count(); ++i) n += parameters.value(i).numel();
  return n;
}

}  // namespace

TEST_CASE("models: INR classifiers respect of the full group of sine networks what they say, and no more") {
  using Respects = InrClassifier::Respects;
  const std::pair<InrLayers, Respects> all[] = {
      {InrLayers::magep, Respects::permutations}, {InrLayers::magep, Respects::flips},
      {InrLayers::magep, Respects::all},          {InrLayers::monomial, Respects::flips},
      {InrLayers::monomial, Respects::all},       {InrLayers::np, Respects::permutations},
      {InrLayers::hnp, Respects::permutations},   {InrLayers::monomial, Respects::permutations}};
  for (const auto& [kind, respects] : all) {
    CAPTURE(static_cast<int>(kind));
    CAPTURE(static_cast<int>(respects));
    const InrClassifier model({.widths = {2, 5, 6, 1},
                               .kind = kind,
                               .respects = respects,
                               .frequencies = 6,
                               .d = 4,
                               .hidden = 8,
                               .classes = 3});
    model.init(RandomKey(3, "models_test"), DType::f64);
    const RandomKey key(4, "models_test");
    const auto x = networks(model.space(), 3, DType::f64, key);
    const auto logits = [&](const std::vector<Tensor>& weights) {
      Tape tape;
      return model(Features::constant(tape, model.space(), weights), std::nullopt).value().clone();
    };
    const Tensor before = logits(x);
    const auto change = [&](const SineMoves& moves) {
      return relative_error(logits(SineElement::random(model.space(), 30, moves, key.at("element"))(x)), before);
    };
    CHECK(change({.permute = true}) < 1e-9);
    const auto respected = [&](const SineMoves& moves, bool wanted) {
      if (wanted)
        CHECK(change(moves) < 1e-9);
      else
        CHECK(change(moves) > 1e-7);
    };
    respected({.permute = true, .flip = true}, respects != Respects::permutations);
    respected({.permute = true, .flip = true, .shift = true}, respects == Respects::all);
    respected({.shift = true}, respects == Respects::all);
    // No symmetry of the networks.
    CHECK(change({.shift = true, .shift_by = 0.5}) > 1e-7);
    CHECK(change({.flip = true, .whole_flips = false}) > 1e-7);
  }
  CHECK_THROWS_WITH_AS(InrClassifier({.kind = InrLayers::np, .respects = Respects::flips}),
                       "[inr_classifier] NP and HNP respect permutations; allowed: no more than these", UsageError);
}

TEST_CASE("models: as many parameters as the published ones") {
  constexpr std::int64_t widths[] = {1, 16, 16, 16, 10};
  constexpr std::array<std::int64_t, 2> taps[] = {{3, 3}, {3, 3}, {3, 3}, {1, 1}};
  const auto cnn = make_reader("magep", {}, cnn_space(widths, taps, FactorKind::positive_monomial), DType::f32,
                               RandomKey(5, "models_test"));
  const InrClassifier inr({});
  inr.init(RandomKey(5, "models_test"));
  CHECK(count(cnn->parameters()) == 1006121);
  const Space transformer = transformer_network_space({32, 64, 2, 16, 16, 2}, {16, 32, 10});
  const auto one = make_reader("transformer-nfn", {}, transformer, DType::f32, RandomKey(5, "models_test"));
  CHECK(one->parameters().trained_numbers() == 1945711);
  CHECK(count(inr.parameters()) == 4082730);
}

TEST_CASE("models: a step repeats bit by bit and takes no new memory") {
  const InrClassifier model({.widths = {2, 9, 9, 1}, .frequencies = 20, .d = 18, .hidden = 30});
  model.init(RandomKey(6, "models_test"));
  const Parameters& parameters = model.parameters();
  const auto x = networks(model.space(), 4, DType::f32, RandomKey(7, "models_test"));
  const Tensor label = Tensor::zeros({4}, DType::i32);
  Arena arena;
  Tape tape(arena);
  Tensor first;
  std::size_t reserved = 0;
  for (int step = 0; step < 3; ++step) {
    const Features in = Features::constant(tape, model.space(), x);
    tape.backward(mean_all(cross_entropy(model(in, RandomKey(8, "models_test dropout")), label)));
    const Tensor g = parameters.flat_grads();
    if (step == 0) {
      first = g.clone();
      reserved = arena.reserved();
    }
    CHECK(arena.reserved() == reserved);
    CHECK(std::ranges::equal(g.span<float>(), first.span<float>()));
    tape.reset();
  }
}

namespace {

const TransformerShape small{6, 5, 3, 4, 2, 2};

Space vision() { return transformer_network_space(small, {7, 8, 4}); }
Space text() { return transformer_network_space(small, {0, 8, 4}); }

std::unique_ptr<Reader> transformer_model(const Space& space, std::int64_t layers, const std::string& classifier,
                                          DType dtype) {
  return make_reader("transformer-nfn",
                     {{"channels", 3}, {"equivariant_layers", layers}, {"hidden", 6}, {"classifier", classifier}},
                     space, dtype, RandomKey(9, "models_test"));
}

}  // namespace

TEST_CASE("models: Transformer-NFN is invariant under the group of the whole network") {
  for (const Space& space : {vision(), text()})
    for (const std::int64_t layers : {0, 1, 2})
      for (const char* classifier : {"linear", "magep", "flat"}) {
        CAPTURE(space.str());
        CAPTURE(layers);
        CAPTURE(classifier);
        const auto model = transformer_model(space, layers, classifier, DType::f64);
        const RandomKey key(10, "models_test");
        const auto x = networks(space, 3, DType::f64, key);
        const Model run = [&](std::span<const Var> in) {
          std::vector<Tensor> values;
          for (const Var& v : in) values.push_back(v.value());
          return model->forward(in[0].tape(), values);
        };
        // A plain MLP on the classifier knows the blocks' symmetry only.
        const Space blocks = space.with_kind(FactorKind::positive_monomial, FactorKind::fixed);
        CHECK(group_error(run, space, blocks, x, key) < 1e-9);
        if (std::string_view(classifier) == "flat")
          CHECK(group_error(run, space, space, x, key) > 1e-6);
        else
          CHECK(group_error(run, space, space, x, key) < 1e-9);
        // The axes between the parts of a network are fixed.
        std::string moving = space.str();
        for (std::size_t at = moving.find(": fixed(6)"); at != std::string::npos; at = moving.find(": fixed(6)"))
          moving.replace(at, 10, ": permutation(6)");
        CHECK(group_error(run, space, Space::parse(moving), x, key) > 1e-6);
      }
}

TEST_CASE("models: Transformer-NFN trains, takes no new memory, and has a proof") {
  for (const char* classifier : {"linear", "magep", "flat"}) {
    CAPTURE(classifier);
    const auto model = transformer_model(vision(), 2, classifier, DType::f32);
    const auto x = networks(model->space(), 5, DType::f32, RandomKey(11, "models_test"));
    const std::vector<Tensor> prepared = model->prepare(x);
    const Tensor target = Tensor::zeros({5, 1}, DType::f32);
    fill_uniform(target, RandomKey(12, "models_test"));
    Optimiser adam(model->parameters(), UpdateRule::adam());
    Arena arena;
    Tape tape(arena);
    std::size_t reserved = 0;
    double first = 0, last = 0;
    for (int step = 0; step < 60; ++step) {
      const Var loss = mean_all(binary_cross_entropy_with_logits(model->forward(tape, prepared), target));
      last = loss.value().data<float>()[0];
      if (step == 0) first = last;
      tape.backward(loss);
      adam.step(3e-3);
      if (step == 0) reserved = arena.reserved();
      CHECK(arena.reserved() == reserved);
      tape.reset();
    }
    CHECK(last < first - 0.05);
    CHECK(model->proof().find("WA[j,k] += phi3[p] VO[p,j]") != std::string::npos);
    CHECK((model->proof().find("classifier.I") != std::string::npos) == (std::string_view(classifier) == "magep"));
    CHECK(model->flops(10) == doctest::Approx(2 * model->flops(5)).epsilon(1e-3));
  }
  // As a damaged file may have them: refused before tables are made.
  const std::int64_t wide[] = {2, 1 << 30, 2};
  for (const char* kind : {"magep", "mlp"})
    CHECK_THROWS_WITH_AS(declare_reader(kind, model_settings(kind), mlp_space(wide, FactorKind::positive_monomial)),
                         "[model] for networks of 5368709122 numbers; allowed: up to 2097152", ShapeError);
  CHECK_THROWS_WITH_AS(
      make_reader("transformer-nfn", {}, transformer_space(small, false), DType::f32, RandomKey(0, "models_test")),
      ("[transformer_sizes] space '" + transformer_space(small, false).str() +
       "'; allowed: a whole transformer, as transformer_network_space() names it")
          .c_str(),
      TypeError);
}

TEST_CASE("models: Transformer-NFN brings biases to 1 and all else to 1 / sqrt(D), once standardised") {
  const auto model = make_reader("transformer-nfn", {{"channels", 3}, {"hidden", 6}}, vision(), DType::f64,
                                 RandomKey(9, "models_test"));
  const Space& space = model->space();
  auto x = networks(space, 5, DType::f64, RandomKey(11, "models_test"));
  const auto b1 = static_cast<std::size_t>(space.tensor("b1")), bB = static_cast<std::size_t>(space.tensor("bB.0"));
  x[bB].fill(0);
  auto sizes = [](const std::vector<Tensor>& tensors) {
    std::vector<double> all;
    for (const Tensor& t : tensors) {
      double square = 0;
      for (const double v : t.span<double>()) square += v * v;
      all.push_back(std::sqrt(square / static_cast<double>(t.numel())));
    }
    return all;
  };
  CHECK(sizes(model->prepare(x)) == sizes(x));
  const std::vector<Tensor> standardised = model->standardise(x);
  const std::vector<double> after = sizes(model->prepare(x));
  CHECK(sizes(standardised) == after);
  for (std::size_t t = 0; t < after.size(); ++t) {
    const SpaceTensor& tensor = space.tensors()[t];
    const double expected = t == bB ? 0 : tensor.axes.size() == 1 ? 1 : 1 / std::sqrt(static_cast<double>(small.D));
    CHECK_MESSAGE(after[t] == doctest::Approx(expected), tensor.name);
  }
  x[b1].data<double>()[2] = INFINITY;
  CHECK_THROWS_WITH_AS(model->standardise(x),
                       "[input_scale] tensor 'b1' of the training networks has numbers that are not finite",
                       NumericError);
}

TEST_CASE("models: axes that layers take as fixed") {
  auto text_of = [](const Reader& model) {
    std::string text;
    for (const FixedAxis& axis : model.fixed_axes()) {
      text += fmt::format("{}:", axis.size);
      for (const auto& [tensor, a] : axis.places)
        text += fmt::format(" {}.{}", model.space().tensors()[static_cast<std::size_t>(tensor)].name, a);
      text += "; ";
    }
    return text;
  };
  auto of = [](const char* kind, const Space& space) {
    return make_reader(kind, testing::of_kind(kind, {{"channels", 2}, {"hidden", 3}}), space, DType::f32,
                       RandomKey(0, "models_test"));
  };
  CHECK(text_of(*of("transformer-nfn", transformer_network_space({6, 5, 3, 4, 2, 2}, {7, 8, 4}))) ==
        "7: WE.0; 6: WE.1 bE.0 WQ.0.1 WK.0.1 WV.0.1; 6: WB.0.1 bB.0.0 WQ.1.1 WK.1.1 WV.1.1; 6: WB.1.1 bB.1.0 W1.1; "
        "4: W2.0 b2.0; ");
  CHECK(text_of(*of("transformer-nfn", transformer_network_space({6, 5, 3, 4, 2, 2}, {0, 8, 4}))) ==
        "6: WQ.0.1 WK.0.1 WV.0.1; 6: WB.0.1 bB.0.0 WQ.1.1 WK.1.1 WV.1.1; 6: WB.1.1 bB.1.0 W1.1; 4: W2.0 b2.0; ");
  constexpr std::int64_t widths[] = {1, 3, 4};
  const Space dense = mlp_space(widths, FactorKind::positive_monomial);
  CHECK(text_of(*of("magep", dense)) == "4: W2.0 b2.0; ");
  CHECK(text_of(*of("mlp", dense)).empty());
}

TEST_CASE("models: the baselines read transformers, heads pooled into their tensor") {
  for (const Space& space : {vision(), text()})
    for (const char* kind : {"statnn", "balanced-statnn", "mlp"}) {
      CAPTURE(kind);
      const auto model = make_reader(kind, {{"hidden", 9}}, space, DType::f64, RandomKey(13, "models_test"));
      const auto x = networks(space, 6, DType::f64, RandomKey(14, "models_test"));
      auto prepared = model->prepare(x);
      const auto tensors = static_cast<std::int64_t>(space.tensors().size());
      CHECK(prepared[0].dim(1) == (model->kind() == "mlp" ? space.parameters() : 7 * tensors));
      if (model->kind() == "statnn") {
        // Mean and largest value of WQ.0 over all heads.
        const int t = space.tensor("WQ.0");
        const auto values = x[static_cast<std::size_t>(t)][0].span<double>();
        double sum = 0;
        for (double v : values) sum += v;
        const double* row = prepared[0].data<double>() + 7 * t;
        CHECK(row[0] == doctest::Approx(sum / static_cast<double>(values.size())));
        CHECK(row[6] == *std::ranges::max_element(values));
      }
      const auto standardised = model->standardise(x);
      prepared = model->prepare(x);
      CHECK(std::ranges::equal(standardised[0].span<double>(), prepared[0].span<double>()));
      for (std::int64_t j = 0; j < prepared[0].dim(1); ++j) {
        double sum = 0, square = 0;
        for (std::int64_t i = 0; i < 6; ++i) sum += prepared[0][i].data<double>()[j];
        for (std::int64_t i = 0; i < 6; ++i) square += std::pow(prepared[0][i].data<double>()[j], 2);
        CHECK(std::abs(sum) < 1e-9);
        CHECK(square == doctest::Approx(6));
      }
      Arena arena;
      Tape tape(arena);
      for (double y : model->forward(tape, prepared).value().span<double>()) CHECK(std::isfinite(y));
    }
}
