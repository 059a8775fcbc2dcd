// The graph network (spec 9.5) against plain loops; its symmetries, gradients, cost.

#include "weft/nfn/graph/graph_network.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "weft/core/difference.h"
#include "weft/groups/element.h"
#include "weft/ops/act.h"
#include "weft/tests/graph_reference.h"
#include "weft/tests/with_threads.h"

using namespace weft;
using namespace weft::testing;

namespace {

using Weights = std::vector<Tensor>;
using Config = GraphNetwork::Config;

Weights networks(const Space& space, std::int64_t batch, std::int64_t channels, RandomKey key) {
  Weights all;
  for (int t = 0; t < static_cast<int>(space.tensors().size()); ++t) {
    all.push_back(Tensor::zeros(space.feature_shape(t, batch, channels), DType::f64));
    fill_normal(all.back(), key.at(static_cast<std::uint64_t>(t)), 0, 0.7);
  }
  return all;
}

Weights moved(const Element& g, Weights x) {
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = act(g, static_cast<int>(i), x[i]);
  return x;
}

Tensor outputs(const GraphNetwork& model, const Weights& x) {
  Arena arena;
  Tape tape(arena);
  return model(Features::constant(tape, model.space(), x)).value().clone();
}

/// Outputs of networks that g moved, against those of the networks.
double group_error(const GraphNetwork& model, const Space& acting, const Weights& x, RandomKey key) {
  double worst = 0;
  for (std::uint64_t trial = 0; trial < 4; ++trial)
    worst = worse(worst,
                  relative_error(outputs(model, moved(Element::random(acting, key.at(trial)), x)), outputs(model, x)));
  return worst;
}

const std::vector<std::int64_t> widths = {2, 5, 4, 3};
constexpr std::array<std::int64_t, 2> taps[] = {{3, 2}, {2, 2}, {1, 1}};
Space dense(FactorKind kind) { return mlp_space(widths, kind); }
Space convolutional(FactorKind kind) { return cnn_space(widths, taps, kind); }

GraphNetwork made(const Space& space, const Config& config, std::uint64_t seed) {
  const GraphNetwork model(space, config);
  model.init(RandomKey(seed, "graph_network_test"), DType::f64);
  return model;
}

constexpr FactorKind positive = FactorKind::positive_monomial;

}  // namespace

TEST_CASE("graph network: what plain loops give") {
  for (const bool scales : {false, true})
    for (const std::int64_t channels : {1, 2})
      for (const Space& space :
           {dense(positive), convolutional(positive), mlp_space(std::array{3L, 4L, 1L}, positive)}) {
        const Config config{.d = 5, .rounds = 3, .hidden = 7, .outputs = 2, .channels = channels, .scales = scales};
        const GraphNetwork model = made(space, config, 1);
        const Weights x = networks(space, 3, channels, RandomKey(2, "graph_network_test"));
        CHECK(relative_error(outputs(model, x), graph_reference(model, config, x)) < 1e-12);
      }
}

TEST_CASE("graph network: invariant under permutations, with scales under positive ones") {
  const RandomKey key(3, "graph_network_test");
  for (const auto& space_of : {dense, convolutional})
    for (const bool scales : {false, true}) {
      const Space space = space_of(positive);
      const GraphNetwork model = made(space, {.d = 6, .hidden = 8, .outputs = 3, .scales = scales}, 4);
      const Weights x = networks(space, 2, 1, key.at("networks"));
      CHECK(group_error(model, space_of(FactorKind::permutation), x, key) < 1e-9);
      if (scales)
        CHECK(group_error(model, space, x, key) < 1e-9);
      else
        CHECK(group_error(model, space, x, key) > 1e-4);
      // Ends stay, and a layer is permuted with its successor or not at all.
      CHECK(group_error(model, space.with_kind(FactorKind::fixed, FactorKind::permutation), x, key) > 1e-4);
      double torn_apart = 0;
      for (std::uint64_t trial = 0; trial < 4; ++trial) {
        Weights torn = x;
        const Element g = Element::random(space_of(FactorKind::permutation), key.at(trial));
        for (const char* tensor : {"W1", "b1"}) {
          const int t = space.tensor(tensor);
          torn[static_cast<std::size_t>(t)] = act(g, t, x[static_cast<std::size_t>(t)]);
        }
        torn_apart = worse(torn_apart, relative_error(outputs(model, torn), outputs(model, x)));
      }
      CHECK(torn_apart > 1e-4);
    }
}

TEST_CASE("graph network: of factors with signs, what a norm leaves") {
  const RandomKey key(5, "graph_network_test");
  for (const FactorKind kind : {FactorKind::sign_monomial, FactorKind::monomial}) {
    const Space space = dense(kind);
    const GraphNetwork model = made(space, {.d = 6, .hidden = 8, .scales = true}, 6);
    const Weights x = networks(space, 2, 1, key.at("networks"));
    CHECK(group_error(model, model.space(), x, key) < 1e-9);
    CHECK(group_error(model, dense(FactorKind::permutation), x, key) < 1e-9);
    CHECK(group_error(model, space, x, key) > 1e-4);
  }
}

TEST_CASE("graph network: the gradient of everything along random directions") {
  for (const bool scales : {false, true}) {
    const Space space = convolutional(positive);
    const Config config{.d = 5, .rounds = 2, .hidden = 6, .outputs = 2, .scales = scales};
    const GraphNetwork model = made(space, config, 7);
    const RandomKey key(8, "graph_network_test");
    const Weights x = networks(space, 2, 1, key.at("networks"));
    [[maybe_unused]] Parameters& parameters = model.parameters();
    Tensor cotangent = Tensor::zeros({2, 2}, DType::f64);
    fill_normal(cotangent, key.at("cotangent"));
    Arena arena;
    Tape tape(arena);
    const Features leaves = Features::leaf(tape, model.space(), x);
    const Var y = model(leaves);
    tape.backward({&y, 1}, {&cotangent, 1});
    Weights places = x, gradients;
    for (const Var& v : leaves.vars()) gradients.push_back(tape.grad(v).value().clone());
    for (int i = 0; i < parameters.count(); ++i) {
      places.push_back(parameters.value(i));
      gradients.push_back(parameters.grad(i).clone());
    }
    // One tensor after another: none may hide behind the large ones.
    for (std::size_t t = 0; t < places.size(); ++t) {
      const Tensor start = places[t].clone(), direction = Tensor::zeros(start.shape(), DType::f64);
      fill_normal(direction, key.at("direction").at(t));
      double expected = 0, size = 0;
      for (std::int64_t i = 0; i < start.numel(); ++i) {
        expected += gradients[t].data<double>()[i] * direction.data<double>()[i];
        size += std::abs(gradients[t].data<double>()[i]);
      }
      const auto along = [&](double step) {
        for (std::int64_t i = 0; i < start.numel(); ++i)
          places[t].data<double>()[i] = start.data<double>()[i] + step * direction.data<double>()[i];
        parameters.changed();
        const Tensor value = outputs(model, x);
        double sum = 0;
        for (std::int64_t i = 0; i < value.numel(); ++i) sum += value.data<double>()[i] * cotangent.data<double>()[i];
        return sum;
      };
      const double h = 1e-6;  // small: a ReLU that changes sides between the two is a kink
      const double found = (along(h) - along(-h)) / (2 * h);
      places[t].copy_from(start);
      INFO("tensor ", t, ", scales ", scales);
      CHECK(size > 1e-6);
      CHECK(std::abs(found - expected) < 1e-6 * (1 + size));
    }
  }
}

TEST_CASE("graph network: finite, forward and backward, for networks of zeros") {
  const Space space = convolutional(positive);
  for (const bool scales : {false, true})
    for (const bool biases_alone : {false, true}) {
      const GraphNetwork model(space, {.d = 6, .hidden = 8, .scales = scales});
      model.init(RandomKey(9, "graph_network_test"), DType::f32);
      Weights x;
      for (const Tensor& t : networks(space, 2, 1, RandomKey(10, "graph_network_test"))) {
        x.push_back(t.to(DType::f32));
        if (!biases_alone || t.rank() == 3) x.back().fill(0);
      }
      Arena arena;
      Tape tape(arena);
      const Features leaves = Features::leaf(tape, model.space(), x);
      const Var y = model(leaves);
      const Tensor cotangent = Tensor::zeros(y.shape(), DType::f32);
      cotangent.fill(1);
      tape.backward({&y, 1}, {&cotangent, 1});
      const auto finite = [](const Tensor& t) {
        return std::ranges::all_of(t.span<float>(), [](float v) { return std::isfinite(v); });
      };
      CHECK(finite(y.value()));
      CHECK(finite(model.parameters().flat_grads()));
      for (const Var& v : leaves.vars()) CHECK(finite(tape.grad(v).value()));
    }
}

TEST_CASE("graph network: networks do not see each other, however many go through together") {
  // Of this size one network at a time.
  const Space space = mlp_space(std::array{2L, 150L, 130L, 1L}, FactorKind::permutation);
  const GraphNetwork model = made(space, {.d = 16, .rounds = 2, .hidden = 8}, 11);
  const Weights x = networks(space, 3, 1, RandomKey(12, "graph_network_test"));
  const auto run = [&](const Weights& in) {
    Arena arena;
    Tape tape(arena);
    const Var y = model(Features::constant(tape, model.space(), in));
    const Tensor ones = Tensor::zeros(y.shape(), DType::f64);
    ones.fill(1);
    tape.backward({&y, 1}, {&ones, 1});
    return std::pair{y.value().clone(), model.parameters().flat_grads().clone()};
  };
  const auto [together, gradient] = run(x);
  Difference outputs_differ;
  const Tensor sum = Tensor::zeros(gradient.shape(), DType::f64);
  for (std::int64_t b = 0; b < 3; ++b) {
    Weights one;
    for (const Tensor& t : x) one.push_back(t.slice(b, b + 1).clone());
    const auto [alone, of_one] = run(one);
    outputs_differ.add(alone, together.slice(b, b + 1));
    for (std::int64_t i = 0; i < sum.numel(); ++i) sum.data<double>()[i] += of_one.data<double>()[i];
  }
  CHECK(outputs_differ.relative() < 1e-12);
  CHECK(relative_error(gradient, sum) < 1e-12);
  {
    const WithThreads one(1);
    CHECK(std::ranges::equal(run(x).second.span<double>(), gradient.span<double>()));
  }
}

TEST_CASE("graph network: a step repeats bit by bit and takes no new memory") {
  for (const bool scales : {false, true}) {
    const Space space = dense(positive);
    const GraphNetwork model(space, {.d = 8, .hidden = 8, .scales = scales});
    model.init(RandomKey(13, "graph_network_test"), DType::f32);
    Weights x;
    for (const Tensor& t : networks(space, 4, 1, RandomKey(14, "graph_network_test"))) x.push_back(t.to(DType::f32));
    Arena arena;
    Tape tape(arena);
    Tensor first;
    std::size_t reserved = 0;
    for (int step = 0; step < 3; ++step) {
      const Var y = model(Features::constant(tape, model.space(), x));
      const Tensor cotangent = tape.empty(y.shape(), DType::f32);
      cotangent.fill(1);
      tape.backward({&y, 1}, {&cotangent, 1});
      const Tensor g = model.parameters().flat_grads();
      if (step == 0) first = g.clone(), reserved = arena.reserved();
      CHECK(arena.reserved() == reserved);
      CHECK(std::ranges::equal(g.span<float>(), first.span<float>()));
      tape.reset();
    }
  }
}

TEST_CASE("graph network: its flops and its numbers, by hand") {
  // 2 - 3 - 1 nodes: 6 nodes, 9 edges, of 4 channels. A product of d x d on a column is 32 flops.
  const GraphNetwork model(mlp_space(std::array{2L, 3L, 1L}, FactorKind::permutation),
                           {.d = 4, .rounds = 2, .hidden = 5, .outputs = 2});
  const double lifts = 2 * 4 * (9 + 4);
  // Ends of edges, each mixed once for those before and once for those behind it: 2 + 3 before, 3 + 1 behind.
  const double on_edges = 32 * (9 + 9);
  const double messages = 2 * on_edges + 32 * 4 + 32 * 5;  // the second layer on the nodes that hear them
  // Two layers on 6 nodes each, 4 of which hear from before and 5 from behind.
  const double nodes = 32 * (6 + 4 + 5 + 6);
  const double edges = on_edges + 32 * 9;
  const double readout = 2 * (12 * 5 + 5 * 5 + 5 * 2);
  CHECK(model.flops(1) == lifts + 2 * (messages + nodes) + edges + readout);
  CHECK(model.flops(7) == 7 * model.flops(1));
  model.init(RandomKey(15, "graph_network_test"));
  const std::int64_t first_layer = 3 * 16 + 4, round = 2 * (first_layer + 16) + first_layer + 16 + 4,
                     edge = first_layer + 16 + 4;
  CHECK(model.parameters().trained_numbers() ==
        4 * 3 + 4 * 4 * 2 + 2 * round + edge + (12 * 5 + 5) + (5 * 5 + 5) + (5 * 2 + 2));
}

TEST_CASE("graph network: what it does not read") {
  CHECK_THROWS_AS(GraphNetwork(transformer_space({4, 5, 2, 3, 2}, false), {}), UsageError);
  CHECK_THROWS_AS(GraphNetwork(dense(positive).with_kind(FactorKind::fixed, FactorKind::permutation), {}), UsageError);
  CHECK_THROWS_WITH_AS(GraphNetwork(dense(positive), {.rounds = 0}), "[graph_network] rounds is 0; allowed: 1 or more",
                       UsageError);
  const GraphNetwork model = made(dense(positive), {.d = 3}, 16);
  Arena arena;
  Tape tape(arena);
  const Space other = dense(positive), small = mlp_space(std::array{2L, 4L, 4L, 3L}, FactorKind::permutation);
  CHECK_THROWS_WITH_AS(
      model(Features::normal(tape, other, 2, 1, RandomKey(17, "x"), DType::f64)),
      "[graph_network] tensor 'W1' of type [., ., h1, in*]; allowed: [., ., h1, in*], of GraphNetwork::space()",
      TypeError);
  CHECK_THROWS_WITH_AS(model(Features::normal(tape, small, 2, 1, RandomKey(17, "x"), DType::f64)),
                       "[graph_network] tensor 'W1' of shape [2, 1, 4, 2]; allowed: [2, 1, 5, 2]", ShapeError);
}
