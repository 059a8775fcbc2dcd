#pragma once
// Training any model on any loss: epochs over items in random orders, gradients of several passes added up, the best
// epoch by a metric, and states from which a broken training goes on with the same bits.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "weft/nn/learning_rate.h"
#include "weft/nn/module.h"
#include "weft/nn/optim.h"
#include "weft/nn/rank_gradients.h"
#include "weft/nn/step_recorder.h"

namespace weft {

struct TrainerConfig {
  std::int64_t batch = 8;  ///< items of a step; more than there are: one step over all
  /// Items of one pass: the gradients of a batch's passes are added up, so that their memory is one pass's. 0: all.
  std::int64_t micro_batch = 0;
  std::int64_t epochs = 100;
  std::int64_t patience = 0;  ///< epochs without a better one before it stops; 0: it never does
  UpdateRule rule = UpdateRule::adam();
  /// Of a step, 0 for the first: a constant, WarmupCosine, or any function of it.
  std::function<double(std::int64_t step)> learning_rate = [](std::int64_t) { return 1e-3; };
  std::uint64_t seed = 0;  ///< of the orders of the items
  /// Ranks that train one model together, each on its share of a batch: all of them with the same model, training and
  /// config. Bits depend on how many they are. Null: one process.
  Ranks* job = nullptr;
};

/// What is learnt. Everything that differs from step to step lies in tensors that stay where they are, beside the
/// model: a device runs none of the functions again once a step is recorded (nn/step_recorder.h), except before_step.
struct Training {
  std::int64_t items = 0;  ///< of an epoch
  /// The mean loss over some items, given as their numbers: int32 [n].
  std::function<Var(Tape& tape, const Tensor& items)> loss = {};
  /// For models that need no steps: sets the parameters and returns true; then there is one epoch without steps. Asked
  /// before the first one only.
  std::function<bool()> solve = {};
  std::function<void(std::int64_t epoch)> before_epoch = {};  ///< 1 for the first
  std::function<void(std::int64_t step)> before_step = {};    ///< 0 for the first of an epoch
  /// After an epoch, on a tape that records nothing: one number for each of `metrics`.
  std::function<std::vector<double>(Tape& tape)> judge = {};
  std::vector<std::string> metrics = {};
  std::string best = "train_loss";  ///< the metric that the best epoch has the lowest of, or of `highest` the highest
  bool highest = false;
  /// Judges as much as is judged at once, so that try_step() counts its memory.
  std::function<void(Tape& tape)> rehearse = {};
};

/// Bits depend on the model's start and device, the training and the config alone. A step allocates nothing after the
/// first one. Runs where the model lies; on a device a step is a recording that is replayed, unless ranks share it, and
/// the device is asked once an epoch.
///     Trainer trainer(model, {.batch = 16, .epochs = 50}, {.items = n, .loss = loss});
///     while (!trainer.done()) fmt::print("{}\n", trainer.run_epoch().train_loss);
///     trainer.take_best();
class Trainer {
 public:
  struct Epoch {
    std::int64_t epoch = 0;  ///< 1 for the first
    double train_loss = 0;
    std::vector<double> metrics;
  };

  /// Throws UsageError for a config out of its range, no items, no loss, a best metric that is none.
  Trainer(const Module& model, TrainerConfig config, Training training);

  /// What a step costs, found by one that changes nothing.
  struct Cost {
    double seconds;     ///< of the step
    std::size_t bytes;  ///< parameters, gradients, optimiser state and the most that a step, or judging, takes beside
  };
  /// Throws OutOfDeviceMemory, with the largest batch that fits. before_epoch and before_step are not called.
  Cost try_step();

  bool done() const;
  /// Whether the model needed no steps.
  bool solved() const { return solved_; }
  /// Trains on every item once; `on_step(done, all)` is called after each step and may throw to stop. Throws
  /// NumericError when the loss or a metric is no number: at that step, on a device at the end of the epoch.
  const Epoch& run_epoch(const std::function<void(std::int64_t, std::int64_t)>& on_step = {});

  const std::vector<Epoch>& log() const { return log_; }
  /// The names of an epoch's metrics.
  const std::vector<std::string>& metrics() const { return training_.metrics; }
  /// The best epoch so far, 0 before the first.
  std::int64_t best_epoch() const { return best_epoch_; }
  /// The parameters of the best epoch become the model's.
  void take_best();

  /// Of the steps of whole batches.
  const StepRecorder& recorder() const { return whole_; }
  /// Every slow path that a step takes, and why: of the model, of ranks on devices, and after the second step on a
  /// device also whether steps are launched one by one. Empty where nothing falls back.
  std::vector<std::string> fallbacks() const;
  std::int64_t steps_per_epoch() const { return (training_.items + config_.batch - 1) / config_.batch; }

  /// Everything that continues this training with the same bits: named tensors, on the CPU.
  std::vector<std::pair<std::string, Tensor>> state() const;
  /// Throws FormatError when a tensor does not fit or holds what no training leaves there; nothing is changed then.
  void resume(const std::function<Tensor(const std::string&)>& tensor);
  /// The same in a safetensors file, complete or not at all.
  void save(const std::filesystem::path& path, const std::map<std::string, std::string>& metadata = {}) const;
  void resume(const std::filesystem::path& path);

 private:
  /// The learning rate of the last step, for messages.
  double last_rate() const;
  double score(const Epoch& row) const;
  /// Whether an epoch is better than the best one of the log so far, 0 for none.
  bool is_best(const Epoch& row, const std::vector<Epoch>& log, std::int64_t best_epoch) const;
  /// Loss and gradients of the first `count` numbers of items_, this rank's share of a step over `of`; adds to
  /// loss_sum_. Names epoch and step in messages.
  void backward(std::int64_t count, std::int64_t of, std::int64_t epoch, std::int64_t step);
  /// How many of a step's n items this rank's share has, none perhaps.
  std::int64_t own_share(std::int64_t n) const;
  /// Ranks whose processors round differently would train different models.
  void check_same_values(std::int64_t epoch);
  /// `together`: all ranks take it.
  double seconds_of_step(std::int64_t count, bool together);
  std::int64_t batch_that_fits();

  /// The steps of an epoch.
  void train(std::int64_t epoch, const std::function<void(std::int64_t, std::int64_t)>& on_step);
  /// The loss of all items, without steps.
  void measure_all();

  Module model_;
  TrainerConfig config_;
  Training training_;
  int best_metric_ = -1;  ///< of metrics; -1 the training loss
  Optimiser optimiser_;
  Arena arena_;
  Tape tape_;
  Tensor items_, order_, loss_sum_;  ///< int32 [batch], [items], float64 [1]: where the model lies
  Tensor best_values_;
  std::vector<Epoch> log_;
  std::int64_t best_epoch_ = 0;
  bool solved_ = false;
  StepRecorder whole_, rest_;  ///< of whole batches, and of the last one of an epoch
  std::optional<RankGradients> ranks_;
};

}  // namespace weft
