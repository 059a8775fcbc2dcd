// Settings as lists, the kinds of models and tasks that have them, and a model that is solved instead of trained.

#include "weft/core/settings.h"

#include <cmath>
#include <map>

#include <doctest/doctest.h>

#include "weft/core/error.h"
#include "weft/networks/architecture.h"
#include "weft/nn/metrics.h"
#include "weft/tasks/fit.h"

using namespace weft;

namespace {

Settings some() {
  return {"the test",
          {{.name = "width", .text = "of it", .usual = 4, .low = 1, .high = 8, .why = "it is small"},
           {.name = "rate", .text = "of it", .usual = 0.5, .low = 0, .high = 1},
           {.name = "on", .text = "or off", .usual = false},
           {.name = "how", .text = "it goes", .usual = "fast", .allowed = {"fast", "slow"}}}};
}

std::vector<Tensor> networks(const Space& space, std::int64_t n, RandomKey key) {
  std::vector<Tensor> all;
  for (const SpaceTensor& tensor : space.tensors()) {
    all.push_back(Tensor::zeros(space.feature_shape(static_cast<int>(all.size()), n, 1), DType::f64));
    fill_normal(all.back(), key.at(tensor.name));
  }
  return all;
}

}  // namespace

TEST_CASE("settings: usual values, given ones, and what is refused") {
  Settings s = some();
  CHECK((s.whole("width") == 4 && s.number("rate") == 0.5 && !s.flag("on") && s.text("how") == "fast"));
  s.set("width", 8);
  s.set("rate", 1);  // a whole number is a number
  s.set("on", true);
  s.set("how", "slow");
  CHECK((s.whole("width") == 8 && s.number("rate") == 1 && s.flag("on") && s.text("how") == "slow"));
  CHECK_THROWS_WITH_AS(s.set("width", 9), "[settings] the test: width 9; allowed: 1 to 8, for it is small", UsageError);
  CHECK_THROWS_WITH_AS(s.set("rate", NAN), "[settings] the test: rate nan; allowed: 0 to 1", UsageError);
  CHECK_THROWS_WITH_AS(s.set("width", 2.5), "[settings] the test: width 2.5; allowed: a whole number", UsageError);
  CHECK_THROWS_WITH_AS(s.set("how", "so"), "[settings] the test: how 'so'; allowed: fast, slow", UsageError);
  CHECK_THROWS_WITH_AS(s.set("depth", 1), "[settings] the test has no 'depth'; it has: width, rate, on, how",
                       UsageError);
  CHECK((s.whole("width") == 8 && s.number("rate") == 1 && s.text("how") == "slow"));
  CHECK_THROWS_WITH_AS(s.flag("how"), "[settings] the test: how is a text, not true or false", UsageError);
}

TEST_CASE("settings: every kind of model is made from its usual ones, and its own only") {
  const std::int64_t widths[] = {2, 3, 2};
  const Space
      dense = mlp_space(widths, FactorKind::positive_monomial),
      signs = mlp_space(widths, FactorKind::sign_monomial),
      transformer = transformer_network_space({4, 3, 1, 2, 2, 2}, {3, 4, 2}),
      cnn = Space::parse(
          "in: fixed(1); h: positive_monomial(4); out: fixed(2) W1[h, in*; taps=3x3] b1[h] W2[out, h*] b2[out]");
  for (const ModelKind* kind : model_kinds()) {
    CAPTURE(kind->name);
    int read = 0;
    for (const Space* space : {&dense, &signs, &transformer, &cnn}) {
      if (!kind->reads(*space)) continue;
      ++read;
      const std::int64_t outputs = kind->edits ? 2 * 3 * 3 : 1;  // an image of both channels
      CHECK(declare_reader(kind->name, model_settings(kind->name), *space, outputs)->kind() == kind->name);
      CHECK_NOTHROW(training_settings(kind->name, {{"epochs", 3}}));
    }
    CHECK(read > 0);
    CHECK_THROWS_AS(model_settings(kind->name, {{"nothing", 1}}), UsageError);
  }
  CHECK(!model_kind("magep").reads(transformer));
  CHECK(!model_kind("transformer-nfn").reads(dense));
  CHECK(!model_kind("ridge").reads(signs));
}

TEST_CASE("settings: tasks are known by name") {
  CHECK(task("accuracy").prediction(std::vector{0.}) == 0.5);
  CHECK(task("generalisation-gap").prediction(std::vector{0.25}) == 0.25);
  CHECK(task("class").prediction(std::vector{-1., 3., 0.5, 3.}) == 1);
  CHECK_THROWS_WITH_AS(task("beauty"),
                       "[task] 'beauty'; allowed: accuracy, generalisation-gap, class, edit-dilate, edit-contrast",
                       UsageError);
}

TEST_CASE("settings: one name is one option, whoever has it, and none is taken by what files hold beside") {
  using Known = std::map<std::string, Setting>;
  const auto check = [](Known& known, const std::vector<Setting>& list) {
    for (const Setting& s : list) {
      CAPTURE(s.name);
      const Setting& first = known.emplace(s.name, s).first->second;
      CHECK((first.usual.index() == s.usual.index() && first.low == s.low && first.high == s.high));
      CHECK((first.text == s.text && first.why == s.why && first.allowed == s.allowed));
      for (const char* taken : {"numerics", "task", "model", "split", "checkpoint", "seed", "device", "products", "zoo",
                                "space", "outputs", "out", "force", "resume", "threads", "json", "quiet", "config"})
        CHECK(s.name != taken);
    }
  };
  Known known, of_architectures;
  for (const ModelKind* kind : model_kinds()) check(known, kind->settings);
  const std::size_t of_models = known.size();
  check(known, training_settings());
  CHECK(known.size() == of_models + training_settings().size());  // no model has one of them
  for (const InputArchitecture* kind : input_architectures()) check(of_architectures, kind->settings);
}

TEST_CASE("tasks: a model learns its task, whose loss is that of the training and of the validation") {
  const std::int64_t widths[] = {2, 5, 2};
  const Space space = mlp_space(widths, FactorKind::positive_monomial);
  const auto weights = networks(space, 40, RandomKey(4, "tasks"));
  const Tensor gaps = Tensor::zeros({40}, DType::f64);
  fill_uniform(gaps, RandomKey(5, "tasks"), -1, 1);
  const auto model = make_reader("mlp", {{"hidden", 8}}, space, DType::f64, RandomKey(6, "tasks"));
  const Examples all{model->standardise(weights), gaps};
  const Task& gap = task("generalisation-gap");
  const double before = mean_loss(gap, predict_outputs(*model, all.prepared), gaps);
  // Steps so small that the epoch's mean is the loss of the model as it was.
  Fit still(*model, {.learning_rate = 1e-12, .epochs = 1}, all, all, gap);
  const Trainer::Epoch& epoch = still.run_epoch();
  CHECK(epoch.train_loss == doctest::Approx(before).epsilon(1e-6));
  CHECK(validation_loss(epoch) == doctest::Approx(before).epsilon(1e-6));
  // A temporary task: the training keeps what it needs of it.
  Fit fit(*model, {.learning_rate = 1e-2, .epochs = 60, .patience = 60}, all, all, Task(gap));
  while (!fit.done()) fit.run_epoch();
  CHECK(fit.log().back().train_loss < 0.3 * before);
  fit.take_best();
  for (const double y : predict_outputs(*model, all.prepared)) CHECK(std::abs(gap.prediction({&y, 1})) < 1.5);
}

TEST_CASE("ridge: solved in one epoch without steps, as the normal equations say") {
  const std::int64_t widths[] = {2, 5, 2};
  const Space space = mlp_space(widths, FactorKind::positive_monomial);
  const auto weights = networks(space, 60, RandomKey(1, "ridge")), unseen = networks(space, 40, RandomKey(2, "ridge"));
  const auto model = make_reader("ridge", {{"lambda", 1e-6}}, space, DType::f64, RandomKey(3, "ridge"));
  const auto prepared = model->standardise(weights);
  // Targets whose logits are linear in what the model reads are learnt whole.
  const auto targets = [&](const Tensor& x) {
    const Tensor t = Tensor::zeros({x.dim(0)}, DType::f64);
    for (std::int64_t i = 0; i < x.dim(0); ++i) {
      const double z = 0.5 * x[i].data<double>()[0] - 0.3 * x[i].data<double>()[8] + 0.2;
      t.data<double>()[i] = 1 / (1 + std::exp(-z));
    }
    return t;
  };
  const auto other = model->prepare(unseen);
  Fit fit(*model, {.epochs = 7}, {prepared, targets(prepared[0])}, {other, targets(other[0])});
  std::int64_t steps = 0;
  while (!fit.done()) fit.run_epoch([&](std::int64_t, std::int64_t) { ++steps; });
  CHECK((steps == 0 && fit.log().size() == 1 && fit.solved()));
  CHECK(model_kind("ridge").solved);
  fit.take_best();
  CHECK(validation_metric(fit.log()[0]) > 0.99);
  const auto outputs = predict_outputs(*model, other);
  for (std::size_t i = 0; i < outputs.size(); ++i)
    CHECK(task("accuracy").prediction({&outputs[i], 1}) ==
          doctest::Approx(targets(other[0]).data<double>()[i]).epsilon(1e-3));
}
