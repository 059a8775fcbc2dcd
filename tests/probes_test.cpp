// Probes (spec 9.6): networks at learned points.

#include "weft/nfn/probes.h"

#include <cmath>

#include <doctest/doctest.h>

#include "weft/core/difference.h"
#include "weft/groups/element.h"
#include "weft/nfn/forward.h"
#include "weft/ops/act.h"
#include "weft/ops/features.h"

using namespace weft;

namespace {

constexpr double omega = 5;
const std::vector<std::int64_t> widths = {2, 5, 4, 3};
constexpr std::array<std::int64_t, 2> taps[] = {{3, 3}, {1, 1}};

std::vector<Tensor> networks(const Space& space, std::int64_t batch, RandomKey key) {
  std::vector<Tensor> all;
  for (int t = 0; t < static_cast<int>(space.tensors().size()); ++t) {
    all.push_back(Tensor::zeros(space.feature_shape(t, batch, 1), DType::f64));
    fill_normal(all.back(), key.at(static_cast<std::uint64_t>(t)), 0, 0.5);
  }
  return all;
}

Probes::Forward siren() {
  return {.run =
              [](std::span<const Var> weights, const Var& points) {
                const Shape& s = points.shape();
                return mlp_forward(weights, reshape(points, {s[0], 1, s[1], s[2]}), UnaryOp::Sin, omega);
              },
          .outputs = 3,
          .flops = 2 * (2 * 5 + 5 * 4 + 4 * 3)};
}
/// Of one channel and 4 x 4 pixels: a convolution to 3 channels, their mean, 2 classes.
Probes::Forward cnn() {
  return {.run =
              [](std::span<const Var> weights, const Var& images) {
                static constexpr PatchShape layers[] = {{.rows = 3, .columns = 3, .padding = 1}};
                return cnn_forward(weights, layers, images, UnaryOp::Relu);
              },
          .outputs = 2,
          .flops = 2 * (16 * 9 * 3 + 3 * 2)};
}
const Probes::Config at_points{.points = 4, .hidden = 6, .outputs = 2};
const Probes::Config at_images{.points = 3, .point = {1, 4, 4}, .start = Init::normal(0.7), .hidden = 6, .outputs = 2};

Tensor outputs(const Probes& model, const Space& space, const std::vector<Tensor>& x) {
  Arena arena;
  Tape tape(arena);
  return model(Features::constant(tape, space, x).vars()).value().clone();
}

std::vector<double> dense(const Parameters& p, const std::string& name, std::vector<double> x, bool last) {
  const Tensor W = p.value(p.find(name + ".weight")), b = p.value(p.find(name + ".bias"));
  std::vector<double> y;
  for (std::int64_t i = 0; i < W.dim(0); ++i) {
    double sum = b.data<double>()[i];
    for (std::int64_t k = 0; k < W.dim(1); ++k)
      sum += W.data<double>()[i * W.dim(1) + k] * x[static_cast<std::size_t>(k)];
    y.push_back(last ? sum : std::max(sum, 0.));
  }
  return y;
}

}  // namespace

TEST_CASE("probes: what plain loops give") {
  const Space space = mlp_space(widths, FactorKind::permutation);
  const Probes model(at_points, siren());
  model.init(RandomKey(1, "probes_test"), DType::f64);
  const auto x = networks(space, 3, RandomKey(2, "probes_test"));
  const Parameters& p = model.parameters();
  const Tensor points = p.value(p.find("points"));
  CHECK(points.shape() == Shape{4, 2});
  CHECK(std::ranges::all_of(points.span<double>(), [](double v) { return v >= -1 && v <= 1; }));
  Difference difference;
  const Tensor got = outputs(model, space, x);
  for (std::int64_t b = 0; b < 3; ++b) {
    std::vector<double> given;
    for (std::int64_t m = 0; m < 4; ++m) {
      std::vector<double> a = {points.data<double>()[2 * m], points.data<double>()[2 * m + 1]};
      for (std::size_t l = 0; l < 3; ++l) {
        const Tensor W = x[2 * l][b], c = x[2 * l + 1][b];
        std::vector<double> next;
        for (std::int64_t i = 0; i < widths[l + 1]; ++i) {
          double sum = c.data<double>()[i];
          for (std::int64_t k = 0; k < widths[l]; ++k)
            sum += W.data<double>()[i * widths[l] + k] * a[static_cast<std::size_t>(k)];
          next.push_back(l < 2 ? std::sin(omega * sum) : sum);
        }
        a = next;
      }
      given.insert(given.end(), a.begin(), a.end());
    }
    for (int k = 0; k < 3; ++k) given = dense(p, "readout." + std::to_string(k), given, k == 2);
    for (std::int64_t o = 0; o < 2; ++o)
      difference.add(got.data<double>()[2 * b + o], given[static_cast<std::size_t>(o)]);
  }
  CHECK(difference.relative() < 1e-12);
}

TEST_CASE("probes: invariant under what keeps the networks' functions") {
  struct Case {
    Probes model;
    Space space;
  };
  const Case cases[] = {
      {Probes(at_points, siren()), mlp_space(widths, FactorKind::sign_monomial)},
      {Probes(at_images, cnn()), cnn_space(std::array{1L, 3L, 2L}, taps, FactorKind::positive_monomial)}};
  for (const auto& [model, space] : cases) {
    const RandomKey key(3, "probes_test");
    model.init(key, DType::f64);
    // An image's forward pass takes plain weights, whose space does not say how they move.
    const bool plain = space.tensors()[0].taps() > 1;
    const auto run = [&](const std::vector<Tensor>& x) {
      Arena arena;
      Tape tape(arena);
      if (!plain) return model(Features::constant(tape, space, x).vars()).value().clone();
      std::vector<Var> weights;
      for (std::size_t i = 0; i < x.size(); ++i) weights.push_back(tape.constant(x[i]));
      return model(weights).value().clone();
    };
    const auto x = networks(space, 2, key.at("networks"));
    const Element g = Element::random(space, key.at("element"));
    auto moved = x, torn = x;
    for (std::size_t i = 0; i < x.size(); ++i) moved[i] = act(g, static_cast<int>(i), x[i]);
    torn[0] = moved[0];
    CHECK(relative_error(run(moved), run(x)) < 1e-9);
    CHECK(relative_error(run(torn), run(x)) > 1e-4);
  }
}

TEST_CASE("probes: gradients of points and readout; the weights need none") {
  const Space space = mlp_space(widths, FactorKind::permutation);
  const Probes model({.points = 3, .hidden = 4, .outputs = 2}, siren());
  model.init(RandomKey(4, "probes_test"), DType::f64);
  const auto x = networks(space, 2, RandomKey(5, "probes_test"));
  Parameters& p = model.parameters();
  const Tensor cotangent = Tensor::zeros({2, 2}, DType::f64);
  fill_normal(cotangent, RandomKey(6, "probes_test"));
  Arena arena;
  Tape tape(arena);
  const Features weights = Features::leaf(tape, space, x);
  const Var y = model(weights.vars());
  tape.backward({&y, 1}, {&cotangent, 1});
  std::vector<Tensor> places = x, gradients;
  for (const Var& v : weights.vars()) gradients.push_back(tape.grad(v).value().clone());
  for (int i = 0; i < p.count(); ++i) {
    places.push_back(p.value(i));
    gradients.push_back(p.grad(i).clone());
  }
  const auto value = [&] {
    p.changed();
    const Tensor out = outputs(model, space, x);
    double sum = 0;
    for (std::int64_t i = 0; i < 4; ++i) sum += out.data<double>()[i] * cotangent.data<double>()[i];
    return sum;
  };
  Difference difference;
  for (std::size_t t = 0; t < places.size(); ++t)
    for (std::int64_t i = 0; i < places[t].numel(); ++i) {
      double& at = places[t].data<double>()[i];
      const double before = at, h = 1e-6;
      at = before + h;
      const double above = value();
      at = before - h;
      const double below = value();
      at = before;
      difference.add((above - below) / (2 * h), gradients[t].data<double>()[i]);
    }
  CHECK(difference.relative() < 1e-7);
}

TEST_CASE("probes: flops by hand, and what is refused") {
  const Probes model(at_images, cnn());
  CHECK(model.flops(2) == 2 * (3 * 2 * (16 * 9 * 3 + 3 * 2) + 2 * (6 * 6 + 6 * 6 + 6 * 2)));
  CHECK_THROWS_WITH_AS(Probes({.points = 0}, siren()), "[probes] points: 0; allowed: 1 or more", UsageError);
  CHECK_THROWS_WITH_AS(Probes({}, {}), "[probes] no forward pass; give one, say mlp_forward of the networks",
                       UsageError);
  Probes::Forward wrong = siren();
  wrong.outputs = 2;
  const Probes other({.points = 4, .hidden = 3}, wrong);
  other.init(RandomKey(7, "probes_test"), DType::f64);
  const Space space = mlp_space(widths, FactorKind::permutation);
  CHECK_THROWS_WITH_AS(
      outputs(other, space, networks(space, 2, RandomKey(8, "probes_test"))),
      "[probes] the forward pass gives [2, 1, 4, 3] at 4 points of 2 networks; allowed: 2 outputs each", ShapeError);
}
