#pragma once
// Training a model that reads weights on the networks of a zoo, and what it says of others.

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

  /// Of training_settings(); a warm-up ends with the training.
  static FitConfig of(const Settings& settings, std::uint64_t seed);
};

/// Networks as a model reads them, with what it should say of each.
struct Examples {
  std::vector<Tensor> prepared;  ///< Reader::prepare of n networks
  Tensor target;                 ///< float [n], or int32 [n] of classes

  std::int64_t count() const { return target.numel(); }
};

/// Trains a model on examples of a task with Adam; the best epoch is that with the highest metric of the task on the
/// validation networks. Its metrics are "validation_loss" and, by the name of that one, "validation_tau". A model that
/// needs no steps is solved.
class Fit : public Trainer {
 public:
  /// The model outlives this. The examples lie on the CPU: to a device they go once, here. Throws UsageError for a
  /// config out of its range or no examples, outputs that do not suit the task, a target outside its range, or axes to
  /// permute that the model lacks; DtypeError for targets; OutOfDeviceMemory.
  Fit(Reader& model, const FitConfig& config, Examples train, Examples validation,
      const Task& task = weft::task("accuracy"));

 private:
  Fit(Reader& model, const FitConfig& checked, std::int64_t items, Examples train, Examples validation,
      const Task& task);
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
