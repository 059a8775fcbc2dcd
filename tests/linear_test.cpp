// The fast linear layers against their term lists, and Fourier features inside them against features in memory.

#include "weft/nfn/linear/linear.h"

#include <doctest/doctest.h>

#include "weft/autograd/gradcheck.h"
#include "weft/groups/derive.h"
#include "weft/tests/layer_checks.h"

using namespace weft;
using namespace weft::testing;

namespace {

using Widths = std::vector<std::int64_t>;
using Taps = std::vector<std::array<std::int64_t, 2>>;

struct Case {
  Widths widths;
  Taps in, out;
  FactorKind kind;
  Channels c;
};

const Taps dense3(3, {1, 1}), dense2(2, {1, 1});
const std::vector<Case> cases = {
    {{1, 4, 5, 3}, {{3, 3}, {2, 1}, {1, 1}}, dense3, FactorKind::positive_monomial, {1, 7, 3}},
    {{3, 5, 6, 2}, dense3, {{2, 2}, {1, 1}, {1, 1}}, FactorKind::permutation, {2, 3, 2}},
    {{2, 5, 4, 3}, dense3, dense3, FactorKind::sign_monomial, {3, 2, 2}},
    {{2, 6, 3}, dense2, dense2, FactorKind::sign_monomial, {2, 4, 5}},
    {{1, 1, 1}, dense2, dense2, FactorKind::positive_monomial, {1, 1, 1}},
    {{2, 33, 17, 1}, dense3, dense3, FactorKind::positive_monomial, {5, 20, 19}},
    // Wide ends.
    {{17, 6, 16}, dense2, dense2, FactorKind::positive_monomial, {3, 2, 5}},
    {{16, 5, 4, 17}, {{2, 1}, {1, 1}, {1, 1}}, dense3, FactorKind::sign_monomial, {2, 3, 4}},
};

struct Made {
  Space in, out;
  LinearLayer layer;
};

/// The list of spec 4.1: permutations take that of the positive monomials, whose terms they allow.
Made made(const Case& c) {
  const FactorKind kind = c.kind == FactorKind::permutation ? FactorKind::positive_monomial : c.kind;
  const std::string terms = derive_linear(cnn_space(c.widths, c.in, kind), cnn_space(c.widths, c.out, kind));
  const Space in = cnn_space(c.widths, c.in, c.kind), out = cnn_space(c.widths, c.out, c.kind);
  return {in, out, LinearLayer(Module(), "layer", in, out, terms, c.c.d, c.c.e)};
}

}  // namespace

TEST_CASE("linear: the layers of spec 4.1 are plain products, and equal their term lists") {
  for (const Case& c : cases) {
    const Made m = made(c);
    CAPTURE(m.in.str());
    CHECK(linear::pieces_of(m.layer.list()).has_value());
    const RandomKey key(1, "linear_test");
    const LayerData data = layer_data(m.layer.list(), c.c, key);
    std::vector<LayerInput> inputs{{}, {{}, 0.3, key}};
    if (c.kind != FactorKind::sign_monomial) inputs.push_back({UnaryOp::Relu, 0.3, key});
    if (c.kind != FactorKind::sign_monomial) inputs.push_back({UnaryOp::LeakyRelu, 0, key});
    if (c.kind != FactorKind::positive_monomial) inputs.push_back({UnaryOp::Sin, 0.3, key});
    if (c.kind != FactorKind::positive_monomial) inputs.push_back({UnaryOp::Tanh, 0, key});
    for (const LayerInput& input : inputs)
      CHECK(check_layer(scheduled(m.layer, input), reference(m.layer.list(), c.c.e, input), m.layer.list(), data, true,
                        key) == "");
    CHECK(check_threads(scheduled(m.layer), m.layer.list(), data, key) == "");
  }
}

TEST_CASE("linear: what has no schedule says so") {
  const Space recurrent = Space::parse("h: permutation(3) \n W[h, h*] b[h]");
  auto why = [](const Space& space) {
    const Module model;
    const LinearLayer layer(model, "layer", space, space, derive_linear(space, space), 2, 3);
    return model.fallbacks();
  };
  CHECK(why(mlp_space(std::vector<std::int64_t>{2, 3, 2}, FactorKind::positive_monomial)).empty());
  CHECK(why(recurrent) ==
        std::vector<std::string>{"'layer' runs operation by operation: there is no schedule for lists "
                                 "with diagonals, heads or shared phis"});
}

TEST_CASE("linear: an empty batch") {
  const Made m = made(cases[0]);
  const LayerResult r =
      run_layer(scheduled(m.layer), m.layer.list(), layer_data(m.layer.list(), {1, 7, 0}, RandomKey(3, "")), true,
                RandomKey(3, "linear_test"));
  for (const Tensor& g : r.gradients)
    for (double x : g.span<double>()) CHECK(x == 0);
}

TEST_CASE("linear: Fourier features inside the products are those in memory") {
  const Widths widths{2, 9, 17, 3};
  const Space positive = mlp_space(widths, FactorKind::positive_monomial);
  for (const bool sines : {false, true})
    for (const Isa level : isa_levels()) {
      const WithIsa forced(level);
      CAPTURE(sines);
      const Space space = mlp_space(widths, sines ? FactorKind::sign_monomial : FactorKind::permutation);
      const std::int64_t m = 70, e = 6, batch = 3;
      const FourierLinear layer(Module(), "layer", space, space, derive_linear(positive, positive), {m, 3, sines}, e);
      const TermList& list = layer.list();
      const RandomKey key(4, "linear_test");
      LayerData data = layer_data(list, {sines ? m : 2 * m, e, batch}, key);
      for (std::size_t i = 0; i < data.features.size(); ++i) {  // raw weights, one channel
        data.features[i] = Tensor::zeros(space.feature_shape(static_cast<int>(i), batch, 1), DType::f64);
        fill_normal(data.features[i], key.at("raw").at(i));
      }
      const Tensor frequencies = Tensor::zeros({m}, DType::f64);
      fill_normal(frequencies, key.at("frequencies"), 0, 3);
      // The features are constants: only phis have gradients.
      auto raw = [](Tape& tape, const Var& x) { return tape.constant(x.value(), x.type()); };
      const Layer fast = [&](std::span<const Var> x, std::span<const Var> learned) {
        Tape& tape = x[0].tape();
        Vars in;
        for (const Var& v : x) in.push_back(raw(tape, v));
        const Features y = layer.apply({space, in}, tape.constant(frequencies.to(x[0].dtype())), learned);
        return Vars(y.vars().begin(), y.vars().end());
      };
      const Layer slow = [&](std::span<const Var> x, std::span<const Var> learned) {
        Tape& tape = x[0].tape();
        Vars in;
        for (const Var& v : x)
          in.push_back(fourier_features(raw(tape, v), tape.constant(frequencies.to(x[0].dtype())), sines));
        return reference(list, e)(in, learned);
      };
      CHECK(check_layer(fast, slow, list, data, true, key) == "");
      CHECK(check_threads(fast, list, data, key) == "");
    }
}

TEST_CASE("linear: Fourier features of many weights are interpolated, to the accuracy of float32") {
  const std::int64_t e = 19, batch = 48;
  const RandomKey key(6, "linear_test");
  // With one input biases of the first layer add to its weights.
  for (const auto& [inputs, sines] : {std::pair{2, false}, {2, true}, {1, false}})
    for (const Isa level : isa_levels()) {
      const WithIsa forced(level);
      CAPTURE(inputs);
      CAPTURE(sines);
      const Widths widths{inputs, 40, 37, 1};
      const Space positive = mlp_space(widths, FactorKind::positive_monomial);
      const std::int64_t m = 70;
      const Space space = mlp_space(widths, sines ? FactorKind::sign_monomial : FactorKind::permutation);
      const FourierLinear layer(Module(), "layer", space, space, derive_linear(positive, positive), {m, 3, sines}, e);
      const TermList& list = layer.list();
      LayerData data = layer_data(list, {sines ? m : 2 * m, e, batch}, key);
      const Tensor frequencies = Tensor::zeros({m}, DType::f32);
      fill_normal(frequencies, key.at("frequencies"), 0, 3);
      const Layer fast = [&](std::span<const Var> x, std::span<const Var> learned) {
        Tape& tape = x[0].tape();
        Vars in;
        for (const Var& v : x) in.push_back(tape.constant(v.value(), v.type()));
        const Features y = layer.apply({space, in}, tape.constant(frequencies.to(x[0].dtype())), learned);
        return Vars(y.vars().begin(), y.vars().end());
      };
      auto weights = [&](double deviation, std::int64_t networks) {  // the first of them are the same
        for (std::size_t i = 0; i < data.features.size(); ++i) {
          const Tensor all = Tensor::zeros(space.feature_shape(static_cast<int>(i), batch, 1), DType::f32);
          fill_normal(all, key.at("raw").at(i), 0, deviation);
          data.features[i] = all.slice(0, networks);
        }
        return data.to(DType::f32);
      };
      auto same_bits = [](const Tensor& a, const Tensor& b) {
        return std::ranges::equal(a.span<float>(), b.span<float>());
      };
      auto inner = [&](const LayerData& given) {  // what the layer makes of W2 of the first network
        return run_layer(fast, list, given, true, key).values[2][0];
      };
      const LayerData given = weights(0.5, batch);
      const LayerResult f32 = run_layer(fast, list, given, true, key),
                        f64 = run_layer(fast, list, given.to(DType::f64), true, key);
      CHECK(channel_error(f32.values, f64.values, f32.values.size()) < 3e-6);
      CHECK(channel_error(f32.gradients, f64.gradients, data.features.size()) < 1e-5);
      CHECK(check_threads(fast, list, given, key) == "");
      // By the features themselves: of one network, over wide ranges, beside a number that is none.
      CHECK(!same_bits(inner(given), inner(weights(0.5, 1))));
      CHECK(same_bits(inner(weights(100, batch)), inner(weights(100, 1))));
      LayerData broken = weights(0.5, batch);
      broken.features[2].data<float>()[broken.features[2].numel() - 1] = NAN;
      CHECK(same_bits(inner(broken), inner(weights(0.5, 1))));
    }
}

TEST_CASE("linear: Fourier features and their derivative") {
  const RandomKey key(5, "linear_test");
  const Tensor f = Tensor::zeros({4}, DType::f64), x = Tensor::zeros({2, 1, 3, 2}, DType::f64);
  fill_normal(f, key.at("f"), 0, 0.5);
  fill_normal(x, key.at("x"));
  for (const bool sines : {false, true}) {
    Arena arena;
    Tape tape(arena);
    const Var y = fourier_features(tape.constant(x), tape.constant(f), sines);
    CHECK(y.shape() == Shape{2, sines ? 4 : 8, 3, 2});
    for (std::int64_t b = 0; b < 2; ++b)
      for (std::int64_t k = 0; k < y.shape()[1]; ++k)
        for (std::int64_t i = 0; i < 6; ++i) {
          const double phase = 2 * 3.14159265358979323846 * f.data<double>()[k % 4] * x.data<double>()[b * 6 + i];
          CHECK(y.value().data<double>()[(b * y.shape()[1] + k) * 6 + i] ==
                doctest::Approx(k < 4 ? std::sin(phase) : std::cos(phase)).epsilon(1e-12));
        }
    const GradcheckInput input{x, Type::plain(4)};
    const GradcheckReport report = gradcheck(
        [&](Tape& on, std::span<const Var> in) { return Vars{fourier_features(in[0], on.constant(f), sines)}; },
        {&input, 1}, key);
    CHECK(report.direction_error < 1e-8);
    CHECK(report.jacobian_error < 1e-8);
  }
}

TEST_CASE("linear: refusals") {
  const Space positive = mlp_space(Widths{2, 3, 2}, FactorKind::positive_monomial);
  const Module model;
  const FourierLinear layer(model, "layer", positive, positive, derive_linear(positive, positive), {4, 3, true}, 2);
  model.init(RandomKey(6, "linear_test"), DType::f64);
  Arena arena;
  Tape tape(arena);
  Vars x;
  for (int i = 0; i < 4; ++i)
    x.push_back(tape.constant(Tensor::zeros(positive.feature_shape(i, 1, 1), DType::f64), positive.type(i)));
  CHECK_THROWS_AS(layer({positive, x}), TypeError);
  CHECK_THROWS_AS(fourier_features(x[0], tape.constant(Tensor::zeros({2}, DType::f64)), false), TypeError);
  CHECK_THROWS_AS(fourier_features(tape.constant(Tensor::zeros({1, 2, 3}, DType::f64)),
                                   tape.constant(Tensor::zeros({2}, DType::f64)), false),
                  ShapeError);
  const Space signs = mlp_space(Widths{2, 3, 2}, FactorKind::sign_monomial);
  const Module other;
  const FourierLinear sines(other, "layer", signs, signs, derive_linear(positive, positive), {4, 3, true}, 2);
  other.init(RandomKey(7, "linear_test"), DType::f64);
  for (int i = 0; i < 4; ++i)
    x[static_cast<std::size_t>(i)] =
        tape.leaf(Tensor::zeros(signs.feature_shape(i, 1, 1), DType::f64), signs.type(i), "weights");
  CHECK_THROWS_WITH_AS(sines({signs, x}),
                       "[fourier_linear] tensor 'weights' wants a gradient; use fourier_features and LinearLayer",
                       UsageError);
}
