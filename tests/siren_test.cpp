// Implicit networks: kernels against their definition, start values, the full group of sine networks, training.

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include <doctest/doctest.h>

#include "weft/data/glyphs.h"
#include "weft/groups/sine_group.h"
#include "weft/networks/architecture.h"
#include "weft/networks/population/population_trainer.h"
#include "weft/networks/siren/siren_population.h"
#include "weft/nfn/forward.h"
#include "weft/tests/disk.h"
#include "weft/tests/files.h"
#include "weft/tests/population_reference.h"
#include "weft/tests/with_threads.h"
#include "weft/zoo/make_zoo.h"

using namespace weft;
using namespace weft::testing;

namespace {

Dataset images_of(const SirenShape& s, std::int64_t items, RandomKey key) {
  Dataset data{"noise", Tensor::zeros({items, s.channels, s.rows, s.columns}, DType::f32),
               Tensor::zeros({items}, DType::i32), 10};
  fill_uniform(data.images, key, -1, 1);
  return data;
}

/// Networks as they start, in float64.
std::vector<Tensor> networks_of(const SirenShape& shape, std::int64_t n, RandomKey key) {
  const SirenPopulation model(shape);
  std::vector<Tensor> all;
  for (std::size_t t = 0; t < model.space().tensors().size(); ++t) {
    const Tensor stacked = Tensor::zeros(model.space().feature_shape(static_cast<int>(t), n, 1), DType::f32);
    for (std::int64_t i = 0; i < n; ++i) model.draw_start(t, {}, key, i, stacked[i]);
    all.push_back(stacked.to(DType::f64));
  }
  return all;
}

/// What float64 networks show at some places.
Tensor shown(const std::vector<Tensor>& networks) {
  Tape tape;
  std::vector<Var> weights;
  for (const Tensor& t : networks) weights.push_back(tape.constant(t));
  const Tensor places = Tensor::zeros({networks[0].dim(0), 1, 50, 2}, DType::f64);
  fill_uniform(places, RandomKey(9, "places"), -1, 1);
  return mlp_forward(weights, tape.constant(places), UnaryOp::Sin, siren_omega).value().clone();
}

constexpr SirenShape shapes[] = {{.channels = 1, .rows = 28, .columns = 28},
                                 {.channels = 3, .rows = 9, .columns = 11, .width = 20, .views = 2},
                                 {.channels = 2, .rows = 1, .columns = 70, .width = 5}};

}  // namespace

TEST_CASE("siren: the kernels compute what the definition says, on every instruction set") {
  for (const SirenShape& shape : shapes) {
    CAPTURE(shape.width);
    const RandomKey key(1, "siren_test");
    const SirenPopulation fast(shape);
    const DefinedPopulation slow(siren_definition(shape));
    const Dataset data = images_of(shape, 3, key.at("images"));
    fast.check(data);
    REQUIRE(fast.items(data) == shape.rows * shape.columns);
    const std::vector<Tensor> weights = random_network(fast.space(), key.at("weights"));
    // Not a multiple of the pixels that go together.
    const auto items = random_items(61, fast.items(data), key.at("items"));
    const MiniBatch batch{data, items, 2};
    Arena arena;
    const auto expected = zeros_like(weights);
    const double loss =
        slow.loss_and_gradient(pointers<const float*>(weights), batch, {}, pointers<float*>(expected), arena);
    const Score score = slow.evaluate(pointers<const float*>(weights), batch, arena);
    CHECK(score.loss == doctest::Approx(loss).epsilon(1e-6));
    CHECK(std::isnan(score.accuracy));
    on_every_isa([&] {
      const auto gradient = zeros_like(weights);
      CHECK(fast.loss_and_gradient(pointers<const float*>(weights), batch, {}, pointers<float*>(gradient), arena) ==
            doctest::Approx(loss).epsilon(1e-5));
      for (std::size_t t = 0; t < weights.size(); ++t) {
        CAPTURE(t);
        CHECK(relative_error(gradient[t], expected[t]) < 1e-4);
      }
      CHECK(fast.evaluate(pointers<const float*>(weights), batch, arena).loss == doctest::Approx(loss).epsilon(1e-5));
    });
    // Another image has another loss.
    CHECK(fast.evaluate(pointers<const float*>(weights), {data, items, 1}, arena).loss !=
          doctest::Approx(loss).epsilon(1e-5));
  }
}

TEST_CASE("siren: the definition's gradient is that of central differences") {
  const SirenShape shape{.channels = 2, .rows = 4, .columns = 5, .width = 6};
  const RandomKey key(2, "siren_test");
  const SirenPopulation model(shape);
  const Dataset data = images_of(shape, 1, key);
  std::vector<Tensor> weights = random_network(model.space(), key.at("weights"));
  const auto items = random_items(20, 20, key.at("items"));
  Arena arena;
  const auto gradient = zeros_like(weights);
  model.loss_and_gradient(pointers<const float*>(weights), {data, items}, {}, pointers<float*>(gradient), arena);
  for (std::size_t t = 0; t < weights.size(); ++t) {
    // Along the gradient of one tensor: float32 has few digits for single numbers.
    CAPTURE(t);
    double square = 0;
    for (const float g : gradient[t].span<float>()) square += static_cast<double>(g) * static_cast<double>(g);
    const auto h = static_cast<float>(2e-3 / std::sqrt(square) / siren_omega);
    const auto along = [&](float by) {
      std::vector<Tensor> moved = weights;
      moved[t] = weights[t].clone();
      for (std::int64_t i = 0; i < moved[t].numel(); ++i)
        moved[t].data<float>()[i] += by * gradient[t].data<float>()[i];
      return model.evaluate(pointers<const float*>(moved), {data, items}, arena).loss;
    };
    CHECK((along(h) - along(-h)) / (2 * static_cast<double>(h)) == doctest::Approx(square).epsilon(0.02));
  }
}

TEST_CASE("siren: start values are those of SIREN; shared ones are the same for all, random ones for none") {
  const SirenShape shape{.width = 32};
  const auto networks = networks_of(shape, 3, RandomKey(3, "siren_test"));
  const double reach[] = {0.5,
                          1 / std::sqrt(2.),
                          std::sqrt(6. / 32) / siren_omega,
                          1 / std::sqrt(32.),
                          std::sqrt(6. / 32) / siren_omega,
                          1 / std::sqrt(32.)};
  for (std::size_t t = 0; t < networks.size(); ++t) {
    CAPTURE(t);
    double largest = 0;
    for (const double x : networks[t].span<double>()) largest = worse(largest, std::abs(x));
    CHECK(largest <= reach[t]);
    if (networks[t].numel() > 30) CHECK(largest > 0.8 * reach[t]);
    CHECK(relative_error(networks[t][0], networks[t][1]) > 0.1);
  }
  SirenShape shared = shape;
  shared.shared_start = true;
  for (const Tensor& t : networks_of(shared, 3, RandomKey(3, "siren_test"))) CHECK(relative_error(t[0], t[2]) == 0);
}

TEST_CASE("siren: permutations, flips and shifts leave what networks show as it is, and nothing else does") {
  const SirenShape shape{.channels = 3, .width = 12};
  const RandomKey key(4, "siren_test");
  const Space space = siren_definition(shape)->space();
  const auto networks = networks_of(shape, 4, key);
  const Tensor before = shown(networks);
  const auto change = [&](const SineMoves& moves) {
    return relative_error(shown(SineElement::random(space, siren_omega, moves, key.at("element"))(networks)), before);
  };
  CHECK(change({}) == 0);
  for (const SineMoves& moves : {SineMoves{.permute = true}, SineMoves{.flip = true}, SineMoves{.shift = true},
                                 SineMoves{.permute = true, .flip = true, .shift = true}})
    CHECK(change(moves) < 1e-12);
  CHECK(change({.shift = true, .shift_by = 0.5}) > 1e-2);
  CHECK(change({.flip = true, .whole_flips = false}) > 1e-2);
  CHECK_THROWS_WITH_AS(SineElement::random(Space::parse("h: permutation(3) W[h, h*]"), siren_omega, {}, key),
                       "[sine_group] networks of 'h: permutation(3) W[h, h*]'; allowed: weights and biases of dense "
                       "layers, W1 b1 W2 b2 …",
                       UsageError);
}

TEST_CASE("siren: an element of given parts moves neurons as they say, and networks show the same") {
  constexpr std::int32_t width = 12;
  const SirenShape shape{.channels = 3, .width = width};
  const Space space = siren_definition(shape)->space();
  for (std::uint64_t n = 0; n < 10; ++n) {
    CAPTURE(n);
    const RandomKey key = RandomKey(8, "siren_test").at(n);
    std::vector<SinePart> parts;
    for (std::uint64_t l = 0; l < 2; ++l) {
      parts.push_back({.order = permutation(width, key.at("order").at(l)), .flip = {}, .shift = {}});
      for (std::uint64_t i = 0; i < width; ++i) {
        parts[l].flip.push_back(uniform_index(key.at("flips").at(l), i, 2) == 1 ? 1 : -1);
        parts[l].shift.push_back(static_cast<std::int32_t>(uniform_index(key.at("shifts").at(l), i, 41)) - 20);
      }
    }
    const auto networks = networks_of(shape, 2, key), moved = SineElement(space, siren_omega, parts)(networks);
    CHECK(relative_error(shown(moved), shown(networks)) < 1e-12);
    const auto& [order, flip, shift] = parts[1];
    for (std::size_t i = 0; i < width; ++i)
      CHECK(moved[3].data<double>()[i] ==
            doctest::Approx(flip[i] * networks[3].data<double>()[order[i]] + shift[i] * std::numbers::pi / siren_omega)
                .epsilon(1e-12));
  }
}

TEST_CASE("siren: parts that are no element are refused") {
  const std::int64_t widths[] = {2, 3, 2, 1};
  const Space space = mlp_space(widths, FactorKind::sign_monomial);
  const std::vector<SinePart> parts{{{0, 1, 2}, {1, 1, 1}, {0, 0, 0}}, {{1, 0}, {1, -1}, {-2, 3}}};
  CHECK_NOTHROW(SineElement(space, siren_omega, parts));
  const auto wrong_shape = [&](const auto& spoil) {
    std::vector<SinePart> spoiled = parts;
    spoil(spoiled);
    return message_of<ShapeError>([&] { SineElement(space, siren_omega, spoiled); });
  };
  CHECK(wrong_shape([](auto& p) { p.pop_back(); }) ==
        "[sine_group] 1 parts for 2 hidden layers; allowed: one for each");
  CHECK(wrong_shape([](auto& p) { p[1].shift.push_back(0); }) ==
        "[sine_group] hidden layer 2: 2 in the order, 2 flips, 3 shifts; allowed: 2 of each");
  const auto wrong_number = [&](const auto& spoil) {
    std::vector<SinePart> spoiled = parts;
    spoil(spoiled);
    return message_of<UsageError>([&] { SineElement(space, siren_omega, spoiled); });
  };
  for (const std::int32_t number : {0, 3, -1})
    CHECK(wrong_number([&](auto& p) { p[0].order[1] = number; }) ==
          fmt::format("[sine_group] hidden layer 1: order 0 {} 2; allowed: each of 0 to 2 once", number));
  CHECK(wrong_number([](auto& p) { p[1].flip[0] = 0; }) == "[sine_group] hidden layer 2: flip 0; allowed: 1, -1");
  for (const double omega : {0., static_cast<double>(NAN)})
    CHECK(message_of<UsageError>([&] { SineElement(space, omega, parts); }) ==
          fmt::format("[sine_group] omega {}; allowed: a finite number that is not 0", omega));
  CHECK_THROWS_AS(SineElement(Space::parse("h: permutation(3) W[h, h*]"), siren_omega, parts), UsageError);
}

TEST_CASE("siren: a population learns its images, on any number of threads with the same bits") {
  const Dataset data = draw_glyphs(3, RandomKey(5, "siren_test"));
  const SirenPopulation model({.views = 2});
  const std::vector<TrainingRecipe> recipes(6, {.rule = UpdateRule::adam(), .learning_rate = 3e-3});
  const TrainingPlan plan{.epochs = 12, .batch = 98, .rates = TrainingPlan::Rates::cosine, .percents = {100}};
  std::vector<Tensor> first;
  for (const int n : {1, 3}) {
    const WithThreads with(n);
    PopulationTrainer trainer(model, data, recipes, plan);
    train_population(trainer, data, {});
    for (const Score& score : trainer.evaluate(data)) CHECK(score.loss < 0.05);
    for (std::size_t t = 0; t < trainer.weights().size(); ++t) {
      if (first.size() <= t) first.push_back(trainer.weights()[t].clone());
      CHECK(relative_error(trainer.weights()[t], first[t]) == 0);
    }
    // Views of one image are networks of their own.
    CHECK(relative_error(trainer.weights()[0][0], trainer.weights()[0][1]) > 0.1);
  }
}

TEST_CASE("siren: what makes no sense is refused") {
  CHECK_THROWS_WITH_AS(SirenPopulation({.views = 2, .shared_start = true}),
                       "[siren] 2 views of one start would be one network; allowed: 1 view, or random starts",
                       UsageError);
  CHECK_THROWS_AS(SirenPopulation({.width = 0}), UsageError);
  const Dataset data = draw_glyphs(2, RandomKey(6, "siren_test"));
  const SirenPopulation model({.views = 2});
  const std::vector<TrainingRecipe> recipes(5, {.rule = UpdateRule::adam()});
  CHECK_THROWS_WITH_AS(PopulationTrainer(model, data, recipes, {}),
                       "[population] networks up to number 4 for 2 images with 2 views each; allowed: 4", UsageError);
  CHECK_THROWS_AS(PopulationTrainer(model, data, std::vector(2, recipes[0]), {}, &data), UsageError);
}

TEST_CASE("siren: a zoo of implicit networks has images, classes and PSNR, and resumes with the same bytes") {
  const Dataset data = draw_glyphs(8, RandomKey(7, "siren_test"));
  const SirenPopulation model({.views = 3});
  const ZooPlan plan = usual_plan(input_architecture("siren"), 24, 3, 98, model.items(data), 11);
  const TemporaryFolder folder;
  make_zoo(folder / "whole", model, data, {}, plan, ZooWriter::Existing::refuse);
  struct Stop {};
  for (int stop_after : {1, 2}) {
    int epochs = 0;
    CHECK_THROWS_AS(make_zoo(folder / "broken", model, data, {}, plan, ZooWriter::Existing::replace,
                             {.training = {},
                              .safe_point =
                                  [&] {
                                    if (++epochs == stop_after) throw Stop{};
                                  }}),
                    Stop);
    make_zoo(folder / "broken", model, data, {}, plan, ZooWriter::Existing::resume);
    CHECK(content(folder / "broken") == content(folder / "whole"));
  }
  const Zoo zoo = Zoo::open(folder / "whole");
  CHECK(zoo.description().views == 3);
  REQUIRE(zoo.rows().size() == 24);
  REQUIRE(zoo.images().shape() == data.images.shape());
  Arena arena;
  std::vector<std::int32_t> pixels(784);
  std::iota(pixels.begin(), pixels.end(), 0);
  Dataset stored = data;
  stored.images = Tensor::zeros(data.images.shape(), DType::f32);
  scale_pixels(zoo.images(), stored.images.data<float>());
  CHECK(relative_error(stored.images, data.images) < 1 / 255.);
  for (const ZooRow& row : zoo.rows()) {
    const std::int64_t ids[] = {row.id}, image = zoo.image_of(row);
    CHECK(image == row.network / 3);
    CHECK(row.splits == zoo.rows()[static_cast<std::size_t>(3 * image)].splits);
    CHECK(zoo.column(ids, "class").data<float>()[0] == static_cast<float>(data.labels.data<std::int32_t>()[image]));
    CHECK(zoo.column(ids, "image").data<float>()[0] == static_cast<float>(image));
    // What the table says is what the network shows.
    const std::vector<Tensor> weights = zoo.weights(ids);
    const double loss = model.evaluate(pointers<const float*>(weights), {stored, pixels, image}, arena).loss;
    CHECK(row.loss == doctest::Approx(loss).epsilon(1e-6));
    CHECK(row.psnr == doctest::Approx(10 * std::log10(4 / loss)).epsilon(1e-6));
  }
}
