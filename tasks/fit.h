#pragma once
// Training a model that reads weights on the networks of a zoo, and what it says of others.

#include <memory>
#include <vector>

#include "weft/nfn/models/reader.h"
#include "weft/nn/trainer.h"
#include "weft/tasks/task.h"

namespace weft {

/// What a training of models on networks can be told; a kind of model may have other usual values (ModelKind).
const std::vector<Setting>& training_settings();
/// The usual ones of a kind of model, but for those given. Throws UsageError as model_settings() does.
Settings training_settings(std::string_view kind, Settings::Given given = {});

struct FitConfig {
  double learning_rate = 1e-3;  ///< of Adam
  std::int64_t batch = 8;
  std::int64_t epochs = 100;
  std::int64_t patience = 20;  ///< epochs without a better metric on the validation networks before it stops
  /// Epochs over which the learning rate rises, step by step; then it falls along a cosine to 1e-5 at the last epoch
  /// (spec 3.5). 0: it stays as it is.
  std::int64_t warmup = 0;
  /// Every step reads its networks under random permutations of the model's fixed_axes(), one per axis and step: layers
  /// that take such an axis as fixed cannot learn few networks by heart from its single entries.
  bool permute_fixed = false;
  std::uint64_t seed = 0;  ///< of the order of the networks, the permutations, and dropout
  /// Bytes of weights up to which the training networks of a zoo, and as many validation networks, are held in memory.
  std::int64_t held = std::int64_t{256} << 20;
  /// Ranks that train together (TrainerConfig::job), and share the validation networks, too. Null: one process.
  Ranks* job = nullptr;

  /// Of training_settings(); a warm-up ends with the training.
  static FitConfig of(const Settings& settings, std::uint64_t seed);
};

/// Networks as a model reads them, with what it should say of each.
struct Examples {
  std::vector<Tensor> prepared;  ///< Reader::prepare of n networks
  Tensor target;                 ///< float [n], int32 [n] of classes, or float [n, outputs] of images

  std::int64_t count() const { return target.dim(0); }
};

/// Trains a model on examples of a task with Adam; the best epoch is that with the best metric of the task on the
/// validation networks. Its metrics are "validation_loss" and, by the name of that one, "validation_tau". A model that
/// needs no steps is solved.
class Fit : public Trainer {
 public:
  /// The model outlives this. The examples lie on the CPU: to a device they go once, here. Throws UsageError for a
  /// config out of its range or no examples, outputs that do not suit the task, a target outside its range, or axes to
  /// permute that the model lacks; DtypeError for targets; OutOfDeviceMemory.
  Fit(Reader& model, const FitConfig& config, Examples train, Examples validation,
      const Task& task = weft::task("accuracy"));
  /// The same on rows of a zoo, by their ids in the order of its rows; the model is standardised by those to train on.
  ///
  /// More than config.held bytes of training networks are streamed: a thread reads the next batch while a step runs
  /// (ZooLoader), in an order of blocks of 1 MiB of neighbours, 64 blocks at a time (block_order(), by the seed and the
  /// epoch), and the model is standardised by 32 MiB of them, drawn by the seed in blocks. Where 64 blocks and 32 MiB
  /// are all there is, the bits are those of a training that holds them. A model that is solved needs all at once: it
  /// holds what Reader::prepare() makes of them. Of more than config.held bytes of validation networks 64 at a time are
  /// read.
  ///
  /// Throws what Zoo::gather() throws. A streamed training meets what is wrong with a network (NumericError, ReadError,
  /// UsageError for its target) in the epoch that reads it.
  Fit(Reader& model, const FitConfig& config, const Zoo& zoo, const std::vector<std::int64_t>& train,
      const std::vector<std::int64_t>& validation, const Task& task = weft::task("accuracy"));

 private:
  struct Steps;
  explicit Fit(const std::shared_ptr<Steps>& steps);
};

/// Of an epoch of Fit's log.
inline double validation_loss(const Trainer::Epoch& epoch) { return epoch.metrics[0]; }
inline double validation_metric(const Trainer::Epoch& epoch) { return epoch.metrics[1]; }

/// What the model says of n networks prepared for it, as outputs (Task::prediction): [n, outputs], one network's after
/// another's. The networks may lie on the CPU or beside the model. Throws NumericError for one that is no number,
/// naming the network by its id, or by its place where no ids are given.
std::vector<double> predict_outputs(const Reader& model, std::span<const Tensor> prepared,
                                    std::span<const std::int64_t> ids = {});

/// The mean of a task's loss over networks.
double mean_loss(const Task& task, std::span<const double> outputs, const Tensor& target);

}  // namespace weft
