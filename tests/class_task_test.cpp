// The task of classes, from a zoo to a model on file: what a zoo must say, what is learnt, and what moves leave alone.

#include <algorithm>
#include <cmath>

#include <doctest/doctest.h>

#include "weft/tasks/fit.h"
#include "weft/tasks/model_file.h"
#include "weft/tasks/moves.h"
#include "weft/tasks/task.h"
#include "weft/tests/files.h"
#include "weft/tests/model_settings.h"
#include "weft/tests/store_samples.h"

using namespace weft;
using namespace weft::testing;

namespace {

constexpr std::int64_t networks = 80;
constexpr int classes = 3;

Space space() {
  const std::int64_t widths[] = {2, 4, 6};
  return mlp_space(widths, FactorKind::positive_monomial);
}

std::string class_of(std::int64_t network) { return std::to_string(network % classes); }

/// A zoo of networks whose last biases show their class: all high, of both signs, or near 0. `values`: the column
/// "class"; empty: there is none.
Zoo zoo(const std::filesystem::path& folder, std::vector<std::string> values) {
  ZooDescription d{space(), "mlp", "relu", "glyphs", "0123456789abcdef", "weft test", 5, networks, {}, {}};
  if (!values.empty()) d.hyper_parameters.push_back({"class", "of the image", std::move(values)});
  const std::vector<Tensor> weights = store_weights(d.space, networks, RandomKey(1, "class_task_test"));
  std::vector<ZooResult> results;
  for (std::int64_t n = 0; n < networks; ++n) {
    results.push_back({.network = n, .epoch = 1, .accuracy = 0.25, .train_accuracy = 0.75});
    for (std::int64_t j = 0; j < 6; ++j) {
      float& bias = weights.back().data<float>()[n * 6 + j];
      bias = 0.2f * bias + (n % classes == 0 ? 2.f : n % classes == 1 ? (j % 2 ? 2.f : -2.f) : 0.f);
    }
  }
  ZooWriter writer(folder, d);
  writer.append(results, weights);
  writer.finish();
  return Zoo::open(folder);
}

std::vector<std::string> all_classes() {
  std::vector<std::string> values;
  for (std::int64_t n = 0; n < networks; ++n) values.push_back(class_of(n));
  return values;
}

}  // namespace

TEST_CASE("classes: a zoo has its task by its column, as many outputs as classes, and their numbers as targets") {
  const TemporaryFolder folder;
  const Task& task = weft::task("class");
  const Zoo with = zoo(folder / "with", all_classes()), without = zoo(folder / "without", {});
  CHECK(&usual_task(with) == &task);
  CHECK(&usual_task(without) == &weft::task("accuracy"));
  CHECK(task.outputs(with) == classes);
  for (const char* number : {"accuracy", "generalisation-gap"}) CHECK(weft::task(number).outputs(with) == 1);
  CHECK(weft::task("accuracy").target(with, with.row(7)) == 0.25);
  CHECK(weft::task("generalisation-gap").target(with, with.row(7)) == 0.5);
  const std::int64_t some[] = {5, 0, 79};
  const Tensor targets = targets_of(task, with, some);
  CHECK(targets.dtype() == DType::i32);
  CHECK(std::ranges::equal(targets.span<std::int32_t>(), std::vector<std::int32_t>{5 % 3, 0, 79 % 3}));
  CHECK(targets_of(weft::task("accuracy"), with, some).dtype() == DType::f32);

  // One class alone has two outputs: there is something that it is not.
  CHECK(task.outputs(zoo(folder / "zeros", std::vector<std::string>(networks, "0"))) == 2);
  CHECK_THROWS_WITH_AS(task.outputs(without),
                       "[task] class: the zoo has no column 'class'; zoos of implicit networks have one, the class of "
                       "the image that each stores; give such a zoo, or another task",
                       UsageError);
  CHECK(std::isnan(task.target(without, without.row(7))));
  CHECK_THROWS_WITH_AS(targets_of(task, without, some),
                       "[task] the class of row 5 of the zoo was not measured; leave it out", UsageError);
  int folders = 0;
  for (const std::string wrong : {"cat", "-1", "2.5", "3 ", "", "99999999999"}) {
    std::vector<std::string> values = all_classes();
    values[4] = wrong;
    const Zoo odd = zoo(folder / std::to_string(folders++), values);
    const std::string message = "[task] the class of network 4 is '" + wrong + "'; allowed: whole numbers from 0";
    CHECK_THROWS_WITH_AS(task.outputs(odd), message.c_str(), FormatError);
    CHECK_THROWS_WITH_AS(task.target(odd, odd.row(4)), message.c_str(), FormatError);
    CHECK(task.target(odd, odd.row(5)) == 2);
  }
}

TEST_CASE("classes: the metric is the share that is right, and a solved model is asked for the one that is") {
  const Task& task = weft::task("class");
  const std::vector<double> outputs{1, 5, 2, 4, 4, 0, -3, -2, -1, 9, 8, 7}, truth{1, 1, 2, 0};
  CHECK(task.metric.of(outputs, truth) == 0.75);  // of equal scores the first counts
  CHECK(std::isnan(task.metric.of({}, {})));
  CHECK(!task.metric.ceiling);
  std::vector<double> wanted(4, 7);
  task.output(2, wanted);
  CHECK(wanted == std::vector<double>{0, 0, 1, 0});
  // -log softmax at the label.
  const std::int32_t labels[] = {1, 1, 2, 0};
  double expected = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    double sum = 0;
    for (std::size_t c = 0; c < 3; ++c) sum += std::exp(outputs[3 * i + c]);
    expected += (std::log(sum) - outputs[3 * i + static_cast<std::size_t>(labels[i])]) / 4;
  }
  CHECK(mean_loss(task, outputs, Tensor::from<std::int32_t>(labels, {4})) == doctest::Approx(expected));
}

TEST_CASE("classes: readers learn them from a zoo, tell them of networks unseen, moved ones too, and from a file") {
  const TemporaryFolder folder;
  const Zoo from = zoo(folder / "zoo", all_classes());
  const Task& task = usual_task(from);
  for (const char* kind : {"magep", "mlp", "ridge"}) {
    CAPTURE(kind);
    const auto model = make_reader(kind, of_kind(kind, {{"channels", 6}, {"hidden", 24}}), from.space(), DType::f32,
                                   RandomKey(2, "class_task_test"), nullptr, task.outputs(from));
    const auto examples = [&](ZooPart part) {
      const auto ids = from.ids(0, part);
      const auto weights = from.weights(ids);
      return Examples{part == ZooPart::train ? model->standardise(weights) : model->prepare(weights),
                      targets_of(task, from, ids)};
    };
    const Examples training = examples(ZooPart::train), validation = examples(ZooPart::val);
    Fit fit(*model, {.learning_rate = 5e-3, .epochs = 40, .patience = 40, .seed = 3}, training, validation, task);
    while (!fit.done()) fit.run_epoch();
    fit.take_best();
    const Trainer::Epoch& best = fit.log()[static_cast<std::size_t>(fit.best_epoch() - 1)];
    for (const Trainer::Epoch& epoch : fit.log()) CHECK(validation_metric(epoch) <= validation_metric(best));
    const auto said = predict_outputs(*model, validation.prepared);
    CHECK(validation_loss(best) == doctest::Approx(mean_loss(task, said, validation.target)).epsilon(1e-6));

    const auto ids = from.ids(0, ZooPart::test);
    std::vector<double> truth;
    for (const std::int64_t id : ids) truth.push_back(task.target(from, from.row(id)));
    const auto weights = from.weights(ids);
    const auto judged = [&](const Reader& reader, std::span<const Tensor> of) {
      return task.metric.of(predict_outputs(reader, reader.prepare(of)), truth);
    };
    CHECK(judged(*model, weights) >= 0.9);
    save_model(folder / "model.safetensors", *model);
    const LoadedModel loaded = load_model(folder / "model.safetensors");
    CHECK(judged(*loaded.model, weights) == judged(*model, weights));
    const std::vector<Move> moves = moves_of(from.space(), from.description().architecture, 2);
    REQUIRE(moves.size() == 3);
    for (std::size_t k = 0; k < moves.size(); ++k) {
      CHECK(moves[k].name == "k = " + std::to_string(k));
      const auto moved = moves[k].apply(weights, ids, 4);
      const auto expected = moved_networks(from.space(), weights, ids, static_cast<int>(k), 4);
      for (std::size_t t = 0; t < moved.size(); ++t)
        CHECK(std::ranges::equal(moved[t].span<float>(), expected[t].span<float>()));
      CHECK(!std::ranges::equal(moved[0].span<float>(), weights[0].span<float>()));
      if (std::string_view(kind) != "mlp") CHECK(judged(*model, moved) == judged(*model, weights));
    }
  }
}
