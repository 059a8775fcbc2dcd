// The trainer: any loss, passes that add up, the best epoch, states.

#include "weft/nn/trainer.h"

#include <algorithm>
#include <cmath>

#include <doctest/doctest.h>

#include "weft/nn/layers.h"
#include "weft/nn/losses.h"
#include "weft/ops/view.h"
#include "weft/tests/files.h"
#include "weft/tests/rank_threads.h"

using namespace weft;

namespace {

/// A line through noisy points, learnt by a dense layer.
struct Line {
  static constexpr std::int64_t items = 37;
  Module model;
  Linear layer{model, "layer", 3, 1};
  Tensor x = Tensor::zeros({items, 3}, DType::f64), y = Tensor::zeros({items, 1}, DType::f64);

  Line() {
    model.init(RandomKey(1, "line"), DType::f64);
    fill_normal(x, RandomKey(2, "line"));
    for (std::int64_t i = 0; i < items; ++i)
      y.data<double>()[i] = 2 * x.data<double>()[3 * i] - x.data<double>()[3 * i + 2] + 0.5;
  }
  Training training() const {
    return {
        .items = items, .loss = [this](Tape& tape, const Tensor& picked) {
          return mean_all(squared_error(layer(tape.constant(gathered(tape, x, picked))), gathered(tape, y, picked)));
        }};
  }
  std::vector<double> values() const {
    const auto v = model.parameters().flat_values().span<double>();
    return {v.begin(), v.end()};
  }
};

const TrainerConfig config{.batch = 8, .epochs = 12, .learning_rate = [](std::int64_t) { return 0.05; }, .seed = 3};

}  // namespace

TEST_CASE("trainer: any loss falls, and the same seed has the same bits") {
  std::vector<double> first;
  for (int i = 0; i < 2; ++i) {
    const Line line;
    Trainer trainer(line.model, config, line.training());
    std::int64_t steps = 0;
    while (!trainer.done()) trainer.run_epoch([&](std::int64_t, std::int64_t) { ++steps; });
    CHECK(steps == 12 * 5);
    CHECK(trainer.log().back().train_loss < 0.05 * trainer.log().front().train_loss);
    if (i == 0) first = line.values();
    CHECK(line.values() == first);
  }
}

TEST_CASE("trainer: passes over parts of a batch add up to the batch") {
  std::vector<double> whole;
  for (const std::int64_t micro : {0, 8, 3, 1}) {
    CAPTURE(micro);
    const Line line;
    TrainerConfig parts = config;
    parts.micro_batch = micro;
    Trainer trainer(line.model, parts, line.training());
    while (!trainer.done()) trainer.run_epoch();
    const auto values = line.values();
    if (micro == 0) whole = values;
    for (std::size_t i = 0; i < values.size(); ++i) CHECK(values[i] == doctest::Approx(whole[i]).epsilon(1e-9));
    if (micro == 8) CHECK(values == whole);
  }
}

TEST_CASE("trainer: the best epoch by a metric, lowest or highest, and patience") {
  for (const bool highest : {false, true}) {
    const Line line;
    // Rises and falls over the epochs, whatever is learnt.
    const double scores[] = {3, 1, 4, 1.5, 9, 2, 6, 5, 3, 5, 8, 9};
    std::size_t judged = 0;
    Training training = line.training();
    training.metrics = {"nothing", "score"};
    training.judge = [&](Tape&) { return std::vector<double>{0, scores[judged++]}; };
    training.best = "score";
    training.highest = highest;
    TrainerConfig patient = config;
    patient.patience = 5;
    Trainer trainer(line.model, patient, training);
    std::vector<std::vector<double>> after;
    while (!trainer.done()) {
      trainer.run_epoch();
      after.push_back(line.values());
    }
    CHECK(trainer.best_epoch() == (highest ? 5 : 2));
    CHECK(after.size() == (highest ? 10u : 7u));
    trainer.take_best();
    CHECK(line.values() == after[static_cast<std::size_t>(trainer.best_epoch() - 1)]);
  }
}

TEST_CASE("trainer: a broken training goes on with the same bits, from a file") {
  const TemporaryFolder folder;
  const auto path = folder / "state.safetensors";
  const Line whole;
  Trainer all(whole.model, config, whole.training());
  while (!all.done()) {
    all.run_epoch();
    if (all.log().size() == 5) all.save(path, {{"by", "trainer_test"}});
  }
  const Line rest;
  Trainer again(rest.model, config, rest.training());
  again.resume(path);
  CHECK(again.log().size() == 5);
  while (!again.done()) again.run_epoch();
  CHECK(rest.values() == whole.values());
  CHECK(again.log().back().train_loss == all.log().back().train_loss);
  const Module other;
  const Linear larger(other, "layer", 40, 1);
  other.init(RandomKey(1, "other"), DType::f64);
  Trainer stranger(other, config, rest.training());
  CHECK_THROWS_WITH_AS(stranger.resume(path), doctest::Contains("Was it written for another model?"), FormatError);
}

TEST_CASE("trainer: hooks come in order, and learning rates by step") {
  const Line line;
  std::vector<std::int64_t> epochs, steps, rated;
  Training training = line.training();
  training.before_epoch = [&](std::int64_t epoch) { epochs.push_back(epoch); };
  training.before_step = [&](std::int64_t step) { steps.push_back(step); };
  TrainerConfig rates = config;
  rates.epochs = 2;
  rates.learning_rate = [&](std::int64_t step) { return rated.push_back(step), 0.01; };
  Trainer trainer(line.model, rates, training);
  while (!trainer.done()) trainer.run_epoch();
  CHECK(epochs == std::vector<std::int64_t>{1, 2});
  CHECK(steps == std::vector<std::int64_t>{0, 1, 2, 3, 4, 0, 1, 2, 3, 4});
  CHECK(rated == std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
}

TEST_CASE("trainer: refusals, and numbers that are none") {
  const Line line;
  CHECK_THROWS_WITH_AS(Trainer(line.model, {.batch = 0}, line.training()),
                       "[trainer] batch 0, micro-batch 0, epochs 100, patience 0; allowed: 1 or more, 0 or more, 1 or "
                       "more, 0 or more",
                       UsageError);
  CHECK_THROWS_WITH_AS(Trainer(line.model, {}, {.items = 4}),
                       "[trainer] 4 items, no loss; allowed: 1 to 2147483647, with a loss and a learning rate",
                       UsageError);
  Training training = line.training();
  training.best = "tau";
  CHECK_THROWS_WITH_AS(Trainer(line.model, {}, training), "[trainer] best epoch by 'tau'; allowed: train_loss",
                       UsageError);
  TrainerConfig wild = config;
  wild.learning_rate = [](std::int64_t) { return 1e300; };
  Trainer lost(line.model, wild, line.training());
  CHECK_THROWS_AS(for (int i = 0; i < 10; ++i) lost.run_epoch(), NumericError);
  const Line other;
  Training judged = other.training();
  judged.metrics = {"score"};
  judged.judge = [](Tape&) { return std::vector<double>{NAN}; };
  Trainer unsure(other.model, config, judged);
  CHECK_THROWS_WITH_AS(unsure.run_epoch(), "[trainer] after epoch 1 score is nan; lower the learning rate (0.05)",
                       NumericError);
  judged.judge = [](Tape&) { return std::vector<double>{}; };
  Trainer silent(other.model, config, judged);
  CHECK_THROWS_WITH_AS(silent.run_epoch(), "[trainer] 0 metrics were judged; allowed: 1, one for each name",
                       UsageError);
}

TEST_CASE("trainer: ranks train what one process trains, each on its share of a batch") {
  const Line alone;
  Trainer one(alone.model, config, alone.training());
  while (!one.done()) one.run_epoch();
  for (const std::int64_t micro : {0, 2})
    for (const int size : {1, 2, 3, 5, 9}) {
      CAPTURE(size);
      CAPTURE(micro);
      std::vector<std::vector<double>> values(static_cast<std::size_t>(size)), resumed = values;
      std::vector<double> losses(values.size());
      testing::run_ranks(size, [&](Ranks& job) {
        const auto rank = static_cast<std::size_t>(job.rank());
        TrainerConfig shared = config;
        shared.job = &job;
        shared.micro_batch = micro;
        const Line line, later;
        Trainer trainer(line.model, shared, line.training()), goes_on(later.model, shared, later.training());
        trainer.try_step();
        std::vector<std::pair<std::string, Tensor>> state;
        while (!trainer.done()) {
          losses[rank] = trainer.run_epoch().train_loss;
          if (trainer.log().size() == 5)
            for (const auto& [name, t] : trainer.state()) state.emplace_back(name, t.clone());
        }
        values[rank] = line.values();
        goes_on.resume([&](const std::string& name) {
          return std::ranges::find(state, name, &std::pair<std::string, Tensor>::first)->second;
        });
        while (!goes_on.done()) goes_on.run_epoch();
        resumed[rank] = later.values();
      });
      for (std::size_t rank = 0; rank < values.size(); ++rank) {
        CHECK(values[rank] == values[0]);
        CHECK(resumed[rank] == values[0]);
        CHECK(losses[rank] == losses[0]);
      }
      for (std::size_t i = 0; i < values[0].size(); ++i)
        CHECK(values[0][i] == doctest::Approx(alone.values()[i]).epsilon(1e-9));
      CHECK(losses[0] == doctest::Approx(one.log().back().train_loss).epsilon(1e-9));
      if (size == 1 && micro == 0) CHECK(values[0] == alone.values());
    }
}

TEST_CASE("trainer: ranks that began with different models are told so") {
  CHECK_THROWS_AS(testing::run_ranks(2,
                                     [&](Ranks& job) {
                                       TrainerConfig shared = config;
                                       shared.job = &job;
                                       const Line line;
                                       if (!job.first()) line.model.parameters().flat_values().data<double>()[0] += 1;
                                       Trainer(line.model, shared, line.training()).run_epoch();
                                     }),
                  RankError);
}
