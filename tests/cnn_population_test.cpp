#include "weft/zoo/cnn_population.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "weft/core/error.h"
#include "weft/core/isa.h"
#include "weft/core/parallel.h"
#include "weft/core/philox.h"
#include "weft/nn/losses.h"
#include "weft/ops/contract.h"
#include "weft/ops/pointwise.h"
#include "weft/ops/rows.h"
#include "weft/zoo/networks.h"
#include "weft/zoo/population_trainer.h"

using namespace weft;

namespace {

const std::vector<CnnArchitecture> architectures{
    {},
    {.image_rows = 15, .image_columns = 11, .widths = {1, 16, 16, 10}, .kernels = {3, 3}, .activation = UnaryOp::Tanh},
    {.image_rows = 12, .image_columns = 13, .widths = {3, 8, 24, 7}, .kernels = {3, 3}},
    {.image_rows = 17, .image_columns = 14, .widths = {2, 5, 33, 4}, .kernels = {5, 2}, .stride = 3},
    {.image_rows = 9, .image_columns = 9, .widths = {3, 16, 10}, .kernels = {3}, .activation = UnaryOp::Tanh},
    // A stride beyond the kernel: positions that no tap reaches.
    {.image_rows = 22, .image_columns = 19, .widths = {1, 16, 32, 10}, .kernels = {2, 1}, .stride = 3},
};

Dataset noise_data(const CnnArchitecture& a, std::int64_t items, Key key) {
  const Shape shape{items, a.widths[0], a.image_rows, a.image_columns};
  Dataset data{"noise", Tensor::zeros(shape, DType::f32), Tensor::zeros({items}, DType::i32), a.widths.back()};
  fill_uniform(data.images, key.at("images"), -1, 1);
  for (std::int64_t i = 0; i < items; ++i)
    data.labels.data<std::int32_t>()[i] =
        static_cast<std::int32_t>(uniform_index(key.at("labels"), static_cast<std::uint64_t>(i), data.classes));
  return data;
}

/// One network: [1, taps, axes…] per tensor, with biases that are not zero.
std::vector<Tensor> random_network(const Space& space, Key key) {
  std::vector<Tensor> weights;
  for (int t = 0; t < static_cast<int>(space.tensors().size()); ++t) {
    weights.push_back(Tensor::zeros(space.feature_shape(t, 1, 1), DType::f32));
    fill_normal(weights.back(), key.at(static_cast<std::uint64_t>(t)), 0, 0.2);
  }
  return weights;
}

template <class P>
std::vector<P> pointers(const std::vector<Tensor>& tensors) {
  std::vector<P> all;
  for (const Tensor& t : tensors) all.push_back(t.data<float>());
  return all;
}

std::vector<Tensor> zeros_like(const std::vector<Tensor>& tensors) {
  std::vector<Tensor> all;
  for (const Tensor& t : tensors) all.push_back(Tensor::zeros(t.shape(), t.dtype()));
  return all;
}

std::vector<std::int32_t> random_items(std::int64_t count, std::int64_t among, Key key) {
  std::vector<std::int32_t> items;
  for (std::int64_t i = 0; i < count; ++i)
    items.push_back(static_cast<std::int32_t>(uniform_index(key, static_cast<std::uint64_t>(i), among)));
  return items;
}

/// Dropout of cnn_population.h, spelled out: the factors of layer `layer` on its whole grid [1, n, C, rows, columns].
/// `used_rows` and `used_columns` are what the next layer reads.
Tensor dropout_factors(const Shape& shape, std::int64_t used_rows, std::int64_t used_columns, const Dropout& dropout,
                       std::uint64_t layer) {
  const Key key = dropout.key.at(layer);
  const auto t = std::lround(256 * dropout.rate);
  const std::int64_t n = shape[1], C = shape[2], rows = shape[3], columns = shape[4], width = (C + 15) / 16 * 16;
  Tensor factors = Tensor::zeros(shape, DType::f64);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t r = 0; r < used_rows; ++r)
      for (std::int64_t c = 0; c < used_columns; ++c)
        for (std::int64_t channel = 0; channel < C; ++channel) {
          const auto value = static_cast<std::uint64_t>(((i * used_rows + r) * used_columns + c) * width + channel);
          const auto word = [](std::uint64_t x, int half) { return static_cast<std::uint32_t>(x >> (32 * half)); };
          const PhiloxBlock block =
              philox({{word(value / 16, 0), word(value / 16, 1), word(key.purpose, 0), word(key.purpose, 1)}},
                     {{word(key.seed, 0), word(key.seed, 1)}});
          const auto byte = (block.x[value % 16 / 4] >> (value % 4 * 8)) & 255;
          factors.data<double>()[((i * C + channel) * rows + r) * columns + c] =
              byte >= t ? 256. / static_cast<double>(256 - t) : 0.;
        }
  return factors;
}

/// cnn_forward with dropout.
Var forward_with_dropout(Tape& tape, std::span<const Var> weights, std::span<const PatchShape> layers, Var x,
                         UnaryOp act, const Dropout& dropout) {
  const std::int64_t n = x.shape()[1];
  std::vector<std::array<std::int64_t, 2>> used(layers.size());
  std::vector<Var> outputs;
  std::vector<std::array<std::int64_t, 2>> grid;
  std::int64_t rows = x.shape()[3], columns = x.shape()[4];
  for (const PatchShape& layer : layers) {
    rows = (rows - layer.rows) / layer.stride + 1;
    columns = (columns - layer.columns) / layer.stride + 1;
    grid.push_back({rows, columns});
  }
  used.back() = grid.back();
  for (std::size_t i = layers.size(); i-- > 1;)
    used[i - 1] = {(used[i][0] - 1) * layers[i].stride + layers[i].rows,
                   (used[i][1] - 1) * layers[i].stride + layers[i].columns};
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const std::int64_t C = x.shape()[2], H = x.shape()[3], W = x.shape()[4], taps = layers[i].rows * layers[i].columns;
    const Var columns_of =
        reshape(patches(reshape(x, {n, C, H, W}), layers[i]), {1, n, grid[i][0] * grid[i][1], C, taps});
    const Var bias = reshape(weights[2 * i + 1], {1, weights[2 * i + 1].shape()[2]});
    const Var y =
        unary(act, contract("bnpit,btoi+bo->bnop", columns_of, weights[2 * i], bias), traits(act).default_parameter);
    x = reshape(y, {1, n, y.shape()[2], grid[i][0], grid[i][1]});
    x = mul(x, tape.constant(dropout_factors(x.shape(), used[i][0], used[i][1], dropout, i)));
  }
  const std::int64_t C = x.shape()[2];
  x = reshape(mean(reshape(x, {1, n, C, x.shape()[3] * x.shape()[4]})), {1, 1, n, C});
  x = mlp_forward(weights.subspan(2 * layers.size()), x, act, 1);
  return reshape(x, {1, n, x.shape()[3]});
}

struct Reference {
  double loss, accuracy;
  std::vector<Tensor> gradient;  ///< float64
};

/// On the tape, in float64.
Reference reference(const CnnArchitecture& a, const std::vector<Tensor>& weights, const Dataset& data,
                    const std::vector<std::int32_t>& items, const Dropout& dropout) {
  Arena arena;
  Tape tape(arena);
  std::vector<Var> vars;
  for (const Tensor& w : weights) vars.push_back(tape.leaf(w.to(DType::f64)));
  const auto n = static_cast<std::int64_t>(items.size());
  Tensor x = Tensor::zeros({1, n, data.channels(), data.rows(), data.columns()}, DType::f64);
  Tensor labels = Tensor::zeros({1, n}, DType::i32);
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int32_t item = items[static_cast<std::size_t>(i)];
    const Tensor image = data.images[item].to(DType::f64);
    std::memcpy(x.data<double>() + i * image.numel(), image.data<double>(), image.bytes());
    labels.data<std::int32_t>()[i] = data.labels.data<std::int32_t>()[item];
  }
  std::vector<PatchShape> layers;
  for (std::int64_t side : a.kernels) layers.push_back({side, side, a.stride, 0});
  const Var logits = dropout.rate > 0
                         ? forward_with_dropout(tape, vars, layers, tape.constant(x), a.activation, dropout)
                         : cnn_forward(vars, layers, tape.constant(x), a.activation);
  const Var loss = mean_all(cross_entropy(logits, labels));
  tape.backward(loss);
  Reference r{loss.value().data<double>()[0], 0, {}};
  const std::int64_t classes = logits.shape()[2];
  for (std::int64_t i = 0; i < n; ++i) {
    const double* z = logits.value().data<double>() + i * classes;
    r.accuracy += std::max_element(z, z + classes) - z == labels.data<std::int32_t>()[i];
  }
  r.accuracy /= static_cast<double>(n);
  for (const Var& v : vars) r.gradient.push_back(tape.grad(v).value().clone());
  return r;
}

double relative_error(const Tensor& got, const Tensor& expected) {
  double largest = 0, error = 0;
  for (std::int64_t i = 0; i < got.numel(); ++i) {
    const double e = expected.data<double>()[i];
    largest = std::max(largest, std::abs(e));
    error = std::max(error, std::abs(static_cast<double>(got.data<float>()[i]) - e));
  }
  return largest > 0 ? error / largest : error;
}

/// Calls f for every level of this CPU, then goes back to the one before.
template <class F>
void on_every_isa(const F& f) {
  const Isa before = isa();
  for (Isa level : {Isa::portable, Isa::avx2, Isa::avx512}) {
    try {
      set_isa(level);
    } catch (const UsageError&) {
      continue;
    }
    CAPTURE(name(level));
    f();
  }
  set_isa(before);
}

void check_gradient(const CnnArchitecture& a, std::int64_t batch, double rate, Key key) {
  const CnnPopulation model(a);
  const Dataset data = noise_data(a, 40, key.at("data"));
  const std::vector<Tensor> weights = random_network(model.space(), key.at("weights")), gradient = zeros_like(weights);
  const std::vector<std::int32_t> items = random_items(batch, data.items(), key.at("items"));
  const Dropout dropout{rate, key.at("dropout")};
  const Reference expected = reference(a, weights, data, items, dropout);
  on_every_isa([&] {
    for (const Tensor& g : gradient) g.fill(std::nan(""));
    Arena arena;
    const double loss = model.loss_and_gradient(pointers<const float*>(weights), {data, items}, dropout,
                                                pointers<float*>(gradient), arena);
    CHECK(std::abs(loss - expected.loss) < 2e-5 * expected.loss);
    for (std::size_t t = 0; t < gradient.size(); ++t) {
      CAPTURE(t);
      CHECK(relative_error(gradient[t], expected.gradient[t]) < 2e-4);
    }
  });
}

/// A small population whose networks differ in everything.
const CnnArchitecture small{.image_rows = 12, .image_columns = 12, .widths = {1, 16, 16, 10}, .kernels = {3, 3}};

std::vector<TrainingRecipe> mixed_recipes() {
  return {{.rule = UpdateRule::sgd(0.1, 1e-3), .learning_rate = 0.1, .init_std = 0.2, .dropout = 0.3, .share = 0.5},
          {.rule = UpdateRule::adam(1e-4), .learning_rate = 3e-3, .init_std = 0.1, .dropout = 0, .share = 1},
          {.rule = UpdateRule::rmsprop(), .learning_rate = 1e-3, .init_std = 0.3, .dropout = 0.5, .share = 0.1},
          {.rule = UpdateRule::adamw(1e-2), .learning_rate = 1e-3, .init_std = 0.1, .dropout = 0.1, .share = 0.25},
          {.rule = UpdateRule::sgd(), .learning_rate = 0.05, .init_std = 0.1, .dropout = 0, .share = 1}};
}

bool same_bytes(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;
}

bool same_state(const PopulationTrainer& a, const PopulationTrainer& b) {
  const auto x = a.state(), y = b.state();
  if (x.size() != y.size()) return false;
  for (std::size_t i = 0; i < x.size(); ++i)
    if (x[i].name != y[i].name || !same_bytes(x[i].tensor, y[i].tensor)) return false;
  return true;
}

}  // namespace

TEST_CASE("loss and gradient of one network agree with the tape") {
  const Key key(1, "cnn_population");
  std::uint64_t number = 0;
  for (const CnnArchitecture& a : architectures)
    for (std::int64_t batch : {1, 7, 45}) {
      CAPTURE(number);
      check_gradient(a, batch, 0, key.at(number++));
    }
}

TEST_CASE("dropout takes the values that its definition says") {
  const Key key(2, "cnn_population");
  std::uint64_t number = 0;
  for (const CnnArchitecture& a : architectures)
    for (double rate : {0.001, 0.2, 0.5}) {
      CAPTURE(number);
      check_gradient(a, 25, rate, key.at(number++));
    }
}

TEST_CASE("evaluation agrees with the tape") {
  const Key key(3, "cnn_population");
  for (std::size_t i = 0; i < architectures.size(); ++i) {
    CAPTURE(i);
    const CnnPopulation model(architectures[i]);
    const Dataset data = noise_data(architectures[i], 90, key.at(i));
    const std::vector<Tensor> weights = random_network(model.space(), key.at(i).at("weights"));
    const std::vector<std::int32_t> items = random_items(70, data.items(), key.at(i).at("items"));
    const Reference expected = reference(architectures[i], weights, data, items, {});
    on_every_isa([&] {
      Arena arena;
      const Score got = model.evaluate(pointers<const float*>(weights), {data, items}, arena);
      CHECK(std::abs(got.loss - expected.loss) < 2e-5 * expected.loss);
      CHECK(got.accuracy == doctest::Approx(expected.accuracy).epsilon(1e-12));
    });
  }
}

TEST_CASE("a second step takes no more memory than the first") {
  const Key key(4, "cnn_population");
  const CnnPopulation model{CnnArchitecture{}};
  const Dataset data = noise_data({}, 64, key);
  const std::vector<Tensor> weights = random_network(model.space(), key), gradient = zeros_like(weights);
  const std::vector<std::int32_t> items = random_items(32, 64, key);
  Arena arena;
  std::size_t reserved = 0;
  for (int step = 0; step < 4; ++step) {
    arena.reset();
    model.loss_and_gradient(pointers<const float*>(weights), {data, items}, {0.5, key}, pointers<float*>(gradient),
                            arena);
    CHECK(arena.used() == 0);
    if (step == 0) reserved = arena.reserved();
    CHECK(arena.reserved() == reserved);
  }
}

TEST_CASE("one step follows the recipe: rule, L2 on weights only, share") {
  const Key key(5, "cnn_population");
  const CnnPopulation model(small);
  const Dataset data = noise_data(small, 20, key);
  const double rate = 0.1, decay = 0.3;
  PopulationTrainer trainer(model, data, {{.rule = UpdateRule::sgd(0, decay), .learning_rate = rate, .share = 0.5}},
                            {.epochs = 1, .batch = 20, .seed = 7});
  const Key of_network = Key(7, "share").at(std::uint64_t{0});
  std::vector<std::int32_t> share = permutation(20, of_network);
  share.resize(10);
  std::vector<Tensor> before;
  for (const Tensor& w : trainer.weights()) before.push_back(w.clone());
  const Reference expected = reference(small, before, data, share, {});
  trainer.train_epoch();
  for (std::size_t t = 0; t < before.size(); ++t)
    for (std::int64_t i = 0; i < before[t].numel(); ++i) {
      const double w = static_cast<double>(before[t].data<float>()[i]);
      const double wanted = w - rate * (expected.gradient[t].data<double>()[i] + (t % 2 == 0 ? decay * w : 0));
      CHECK(std::abs(static_cast<double>(trainer.weights()[t].data<float>()[i]) - wanted) < 1e-6);
    }
}

TEST_CASE("a population learns, with the same bits on any number of threads") {
  const Key key(6, "cnn_population");
  const CnnPopulation model(small);
  Dataset data = noise_data(small, 150, key);
  for (std::int64_t i = 0; i < 150; ++i)  // the label is the row with the bright stripe
    for (std::int64_t c = 0; c < 12; ++c)
      data.images.data<float>()[(i * 12 + data.labels.data<std::int32_t>()[i]) * 12 + c] += 4;
  const int before = threads();
  const TrainingPlan plan{.epochs = 6, .batch = 16, .seed = 3};
  set_threads(1);
  PopulationTrainer alone(model, data, mixed_recipes(), plan);
  const double loss = alone.evaluate(data)[1].loss;
  std::vector<int> percents;
  std::int64_t last = 0;
  train_population(
      alone, data,
      {.progress = [&](std::int64_t done, std::int64_t total) { CHECK((last = done) <= total); },
       .checkpoint =
           [&](const Checkpoint& c) {
             percents.push_back(c.percent);
             CHECK(c.train.size() == 5);
             CHECK(c.test[1].loss ==
                   doctest::Approx(c.train[1].loss).epsilon(1e-9));  // all items, though in another order of sums
           },
       .epoch = {}});
  CHECK(last == 30);
  CHECK(percents == std::vector<int>{25, 50, 100});
  CHECK(alone.evaluate(data)[1].loss < 0.8 * loss);
  for (int n : {2, 4}) {
    set_threads(n);
    PopulationTrainer trainer(model, data, mixed_recipes(), plan);
    train_population(trainer, data, {});
    CHECK(same_state(trainer, alone));
  }
  set_threads(before);
}

TEST_CASE("training resumes from its state with the same bits") {
  const Key key(7, "cnn_population");
  const CnnPopulation model(small);
  const Dataset data = noise_data(small, 100, key);
  const TrainingPlan plan{.epochs = 4, .batch = 16, .seed = 3, .first_network = 40};
  PopulationTrainer through(model, data, mixed_recipes(), plan);
  std::vector<std::byte> saved;
  train_population(through, data, {.progress = {}, .checkpoint = {}, .epoch = [&] {
                                     if (through.epochs_done() == 2) saved = safetensors_bytes(through.state());
                                   }});
  PopulationTrainer resumed(model, data, mixed_recipes(), plan);
  resumed.resume(SafeTensors::parse(saved, "state"));
  CHECK(resumed.epochs_done() == 2);
  CHECK_FALSE(same_state(resumed, through));
  train_population(resumed, data, {});
  CHECK(same_state(resumed, through));
  CHECK_THROWS_WITH_AS(resumed.train_epoch(), "[population] all 4 epochs are done", UsageError);
  PopulationTrainer fewer(model, data, {mixed_recipes()[0]}, plan);
  CHECK_THROWS_AS(fewer.resume(SafeTensors::parse(saved, "state")), ShapeError);
}

TEST_CASE("a network draws from its number in the zoo") {
  const Key key(8, "cnn_population");
  const CnnPopulation model(small);
  const Dataset data = noise_data(small, 60, key);
  const std::vector<TrainingRecipe> recipes = mixed_recipes();
  PopulationTrainer all(model, data, recipes, {.epochs = 2, .batch = 16});
  PopulationTrainer last(model, data, {recipes[3], recipes[4]}, {.epochs = 2, .batch = 16, .first_network = 3});
  train_population(all, data, {});
  train_population(last, data, {});
  for (std::size_t t = 0; t < all.weights().size(); ++t)
    CHECK(same_bytes(all.weights()[t].slice(3, 5), last.weights()[t]));
}

TEST_CASE("a network that diverges keeps its last finite weights and disturbs nobody") {
  const Key key(9, "cnn_population");
  const CnnPopulation model(small);
  const Dataset data = noise_data(small, 60, key);
  const TrainingPlan plan{.epochs = 3, .batch = 16};
  const TrainingRecipe good{.rule = UpdateRule::adam(), .learning_rate = 1e-3};
  const TrainingRecipe too_fast{.rule = UpdateRule::sgd(), .learning_rate = 1e12};
  const TrainingRecipe too_large{.rule = UpdateRule::sgd(), .learning_rate = 1e-3, .init_std = 1e9};
  PopulationTrainer trainer(model, data, {good, too_fast, too_large}, plan),
      calm(model, data, {good, good, good}, plan);
  PopulationTrainer fresh(model, data, {good, too_fast, too_large}, plan);
  trainer.train_epoch();
  std::vector<Tensor> frozen;
  for (const Tensor& w : trainer.weights()) frozen.push_back(w[1].clone());
  CHECK(trainer.diverged_at(0) == 0);
  CHECK(trainer.diverged_at(1) > 1);
  CHECK(trainer.diverged_at(2) == 1);
  train_population(trainer, data, {});
  train_population(calm, data, {});
  for (std::size_t t = 0; t < frozen.size(); ++t) {
    CHECK(same_bytes(trainer.weights()[t][0], calm.weights()[t][0]));
    CHECK(same_bytes(trainer.weights()[t][1], frozen[t]));
    CHECK(same_bytes(trainer.weights()[t][2], fresh.weights()[t][2]));
    for (float w : frozen[t].span<float>()) CHECK(std::isfinite(w));
  }
}

TEST_CASE("recipes lie in their ranges and depend on the network's number alone") {
  const RecipeRanges ranges;
  const Key key(10, "recipes");
  const auto all = draw_training_recipes(ranges, 0, 200, key), some = draw_training_recipes(ranges, 120, 3, key);
  double smallest = 1, largest = 0;
  for (const TrainingRecipe& r : all) {
    const Range rate = r.rule.kind == UpdateRule::Kind::momentum ? ranges.sgd_rate : ranges.adaptive_rate;
    CHECK((r.learning_rate >= rate.low && r.learning_rate <= rate.high));
    CHECK((r.init_std >= ranges.init_std.low && r.init_std <= ranges.init_std.high));
    CHECK(std::count(ranges.shares.begin(), ranges.shares.end(), r.share) == 1);
    smallest = std::min(smallest, r.init_std / ranges.init_std.high);
    largest = std::max(largest, r.init_std / ranges.init_std.high);
  }
  CHECK(smallest < 2 * ranges.init_std.low / ranges.init_std.high);
  CHECK(largest > 0.5);
  for (std::size_t i = 0; i < some.size(); ++i) {
    CHECK(some[i].learning_rate == all[120 + i].learning_rate);
    CHECK(some[i].rule.weight_decay == all[120 + i].rule.weight_decay);
  }
}

TEST_CASE("populations refuse what does not fit") {
  const CnnPopulation model(small);
  const Key key(11, "cnn_population");
  const Dataset data = noise_data(small, 8, key), colour = noise_data(architectures[2], 8, key);
  CHECK_THROWS_WITH_AS(PopulationTrainer(model, colour, mixed_recipes(), {}),
                       "[cnn_population] images of 3 channels, 12x13, from 'noise'; these networks take 1, 12x12",
                       ShapeError);
  CHECK_THROWS_WITH_AS(PopulationTrainer(model, data, {{.rule = {}, .share = 0}}, {}),
                       "[population] share 0; allowed: above 0, at most 1", UsageError);
  CHECK_THROWS_WITH_AS(CnnPopulation(CnnArchitecture{.activation = UnaryOp::Gelu}),
                       "[cnn_population] activation gelu; allowed: relu, tanh", UsageError);
  CHECK_THROWS_WITH_AS(CnnPopulation(CnnArchitecture{.image_rows = 6, .image_columns = 6}),
                       "[cnn_population] a kernel of 3x3 on 2x2 positions in layer 2", UsageError);
}
