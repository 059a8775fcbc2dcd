#pragma once
// Training a model that reads weights on the networks of a zoo, and judging it.

#include <functional>
#include <vector>

#include "weft/nfn/models/accuracy_model.h"
#include "weft/nn/optim.h"
#include "weft/nn/step_recorder.h"

namespace weft {

struct FitConfig {
  double learning_rate = 1e-3;  ///< of Adam
  std::int64_t batch = 8;
  std::int64_t epochs = 100;
  std::int64_t patience = 20;  ///< epochs without a better validation tau before it stops
  /// Epochs over which the learning rate rises, step by step; then it falls along a cosine to 1e-5 at the last epoch
  /// (spec 3.5). 0: it stays as it is.
  std::int64_t warmup = 0;
  /// Every step reads its networks under random permutations of the model's fixed_axes(), one per axis and step: layers
  /// that take such an axis as fixed cannot learn few networks by heart from its single entries.
  bool permute_fixed = false;
  std::uint64_t seed = 0;  ///< of the order of the networks, and the permutations
};

/// What is usual for a kind of model: for transformer-nfn batch 16, 10 epochs of warm-up and no stop (spec 3.5), and
/// permuted axes.
FitConfig default_fit(const std::string& kind);

/// Networks as a model reads them, with what it should say of each.
struct Examples {
  std::vector<Tensor> prepared;  ///< AccuracyModel::prepare of n networks
  Tensor target;                 ///< float32 [n], in [0, 1]

  std::int64_t count() const { return target.numel(); }
};

/// One line of the log.
struct FitEpoch {
  std::int64_t epoch = 0;  ///< 1 for the first
  double train_loss = 0, validation_loss = 0, validation_tau = 0;
};

/// Binary cross-entropy against the target, Adam, the best epoch by Kendall's tau on the validation networks. Bits
/// depend on the model's start and device, the examples and the config alone. A step allocates nothing after the first
/// one. Runs where the model lies; on a device a step is a recording that is replayed, and the device is asked once an
/// epoch.
class Fit {
 public:
  /// The examples lie on the CPU: to a device they go once, here. Throws UsageError for a config out of its range or no
  /// examples, a target outside [0, 1], or axes to permute that the model lacks; OutOfDeviceMemory.
  Fit(AccuracyModel& model, const FitConfig& config, Examples train, Examples validation);

  /// What a step costs, found by one that changes nothing.
  struct Cost {
    double seconds;     ///< of the step
    std::size_t bytes;  ///< parameters, gradients, optimiser state and the most that a step, or judging the validation
                        ///< networks, takes beside; on a device the examples, too
  };
  /// Throws OutOfDeviceMemory, with the largest batch that fits.
  Cost try_step();

  bool done() const;
  /// Trains on every example once; `on_step(done, all)` is called after each step and may throw to stop. Throws
  /// NumericError when the loss or a prediction is no number: at that step, on a device at the end of the epoch.
  const FitEpoch& run_epoch(const std::function<void(std::int64_t, std::int64_t)>& on_step = {});

  /// Of the steps of whole batches.
  const StepRecorder& recorder() const { return whole_; }
  /// Every slow path that a step takes, and why: of the model, and after the second step on a device also whether
  /// steps are launched one by one. Empty where nothing falls back.
  std::vector<std::string> fallbacks() const;

  const std::vector<FitEpoch>& log() const { return log_; }
  /// The best epoch so far, 0 before the first.
  std::int64_t best_epoch() const { return best_epoch_; }
  /// The parameters of the best epoch become the model's.
  void take_best();

  /// Everything that continues this training with the same bits: named tensors, on the CPU.
  std::vector<std::pair<std::string, Tensor>> state() const;
  /// Throws FormatError when a tensor does not fit or holds what no training leaves there; nothing is changed then.
  void resume(const std::function<Tensor(const std::string&)>& tensor);

 private:
  std::int64_t steps_per_epoch() const { return (train_.count() + config_.batch - 1) / config_.batch; }
  double learning_rate(std::int64_t step) const;
  /// Whether an epoch is better than the best one of the log so far, 0 for none.
  static bool is_best(const FitEpoch& row, const std::vector<FitEpoch>& log, std::int64_t best_epoch);
  /// The order of the networks, and every step's permutations: a step draws nothing, for drawing allocates.
  void draw_epoch(std::int64_t epoch);
  /// The networks of the next step: what a device has to be told before it.
  void place(const Tensor& networks);
  /// Loss of the first `count` networks of place(), with gradients.
  Var backward(std::int64_t count);
  /// Judges as many validation networks as are judged at once before it: their memory is the step's.
  double seconds_of_step(std::int64_t count);
  std::int64_t batch_that_fits();

  AccuracyModel& model_;
  FitConfig config_;
  Examples train_, validation_;
  Optimiser adam_;
  Arena arena_;
  Tape tape_;
  Tensor networks_, order_, loss_sum_;  ///< int32 [batch], [examples], float64 [1]: where the model lies
  /// int32, of a permuted axis: [steps, size] of the epoch, [size] of the step; where the model lies.
  struct Permuted {
    FixedAxis axis;
    Tensor drawn, now;
  };
  std::vector<Permuted> permuted_;
  Tensor best_values_;
  std::vector<FitEpoch> log_;
  std::int64_t best_epoch_ = 0;
  StepRecorder whole_, rest_;  ///< of whole batches, and of the last one of an epoch
};

/// What the model says of networks prepared for it, as logits: they rank networks where their sigmoids would tie.
/// The networks may lie on the CPU or beside the model. Throws NumericError for one that is no number, naming the
/// network by its id, or by its place where no ids are given.
std::vector<double> predict_logits(const AccuracyModel& model, std::span<const Tensor> prepared,
                                   std::span<const std::int64_t> ids = {});

/// The prediction, in (0, 1).
double sigmoid(double logit);

/// Mean binary cross-entropy of logits, in nats.
double mean_loss(std::span<const double> logits, const Tensor& target);

/// The networks moved by random group elements that keep their functions, one element per network, keyed by (seed,
/// number, strength): uniform permutations; positive scales U[1, 10^strength], or random signs when the strength is at
/// least 1, or GL elements: orthogonal, and of condition number 10 when the strength is at least 1 (worse conditioned
/// ones cost the moved network's function digits of float32). Acts in float64; the dtype stays.
/// weights: one feature per tensor of the space, [n, taps, axes…]; numbers: of the n networks (ZooRow::network)
std::vector<Tensor> moved_networks(const Space& space, std::span<const Tensor> weights,
                                   std::span<const std::int64_t> numbers, int strength, std::uint64_t seed);

}  // namespace weft
