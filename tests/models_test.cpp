// The models of spec 2.6: invariance, size, and a step that takes no new memory.

#include <cmath>

#include <doctest/doctest.h>

#include "weft/groups/element.h"
#include "weft/nfn/models/accuracy_model.h"
#include "weft/nfn/models/inr_classifier.h"
#include "weft/nn/losses.h"
#include "weft/ops/act.h"

using namespace weft;

namespace {

using Vars = std::vector<Var>;
using Model = std::function<Var(std::span<const Var>)>;

std::vector<Tensor> networks(const Space& space, std::int64_t batch, DType dtype, Key key) {
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
double group_error(const Model& model, const Space& space, const Space& acting, const std::vector<Tensor>& x, Key key) {
  auto evaluate = [&](const std::vector<Tensor>& values) {
    Arena arena;
    Tape tape(arena);
    return model(on_tape(tape, space, values)).value().clone();
  };
  const Tensor y = evaluate(x);
  double worst = 0, largest = 0;
  for (double v : y.span<double>()) largest = std::max(largest, std::abs(v));
  for (std::uint64_t trial = 0; trial < 4; ++trial) {
    const Element g = Element::random(acting, key.at(trial));
    std::vector<Tensor> moved = x;
    for (std::size_t i = 0; i < moved.size(); ++i) moved[i] = act(g, static_cast<int>(i), moved[i]);
    const Tensor z = evaluate(moved);
    for (std::int64_t i = 0; i < y.numel(); ++i)
      worst = std::max(worst, std::abs(z.data<double>()[i] - y.data<double>()[i]));
  }
  return worst / largest;
}

std::int64_t count(const Parameters& parameters) {
  std::int64_t n = 0;
  for (int i = 0; i < parameters.count(); ++i) n += parameters.value(i).numel();
  return n;
}

}  // namespace

TEST_CASE("models: the INR classifier is invariant under permutations, with sines alone under signs too") {
  for (const bool sines : {false, true}) {
    Parameters parameters;
    const InrClassifier model(
        parameters,
        {.widths = {2, 5, 6, 1}, .fourier = {.frequencies = 6, .sines = sines}, .d = 4, .head = 8, .classes = 3});
    parameters.allocate(DType::f64, Key(3, "models_test"));
    const Key key(4, "models_test");
    const auto x = networks(model.space(), 3, DType::f64, key);
    const Model run = [&](std::span<const Var> in) { return model(parameters, in, std::nullopt); };
    const Space permutations = mlp_space(std::vector<std::int64_t>{2, 5, 6, 1}, Kind::permutation),
                signs = mlp_space(std::vector<std::int64_t>{2, 5, 6, 1}, Kind::sign_monomial);
    CHECK(group_error(run, model.space(), permutations, x, key) < 1e-9);
    if (sines)
      CHECK(group_error(run, model.space(), signs, x, key) < 1e-9);
    else
      CHECK(group_error(run, model.space(), signs, x, key) > 1e-7);
  }
}

TEST_CASE("models: as many parameters as the published ones") {
  constexpr std::int64_t widths[] = {1, 16, 16, 16, 10};
  constexpr std::array<std::int64_t, 2> taps[] = {{3, 3}, {3, 3}, {3, 3}, {1, 1}};
  const auto cnn = make_accuracy_model({.kind = "magep"}, cnn_space(widths, taps, Kind::positive_monomial), DType::f32,
                                       Key(5, "models_test"));
  Parameters inr;
  const InrClassifier classifier(inr, {});
  inr.allocate(DType::f32, Key(5, "models_test"));
  CHECK(count(cnn->parameters()) == 1006121);
  CHECK(count(inr) == 4082730);
}

TEST_CASE("models: a step repeats bit by bit and takes no new memory") {
  Parameters parameters;
  const InrClassifier model(parameters, {.widths = {2, 9, 9, 1}, .fourier = {.frequencies = 20}, .d = 18, .head = 30});
  parameters.allocate(DType::f32, Key(6, "models_test"));
  const auto x = networks(model.space(), 4, DType::f32, Key(7, "models_test"));
  const Tensor label = Tensor::zeros({4}, DType::i32);
  Arena arena;
  Tape tape(arena);
  Tensor first;
  std::size_t reserved = 0;
  for (int step = 0; step < 3; ++step) {
    const Vars in = on_tape(tape, model.space(), x);
    tape.backward(mean_all(cross_entropy(model(parameters, in, Key(8, "models_test dropout")), label)));
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
