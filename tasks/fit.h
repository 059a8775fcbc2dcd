#pragma once
// Training a model that reads weights on the networks of a zoo, and judging it.

#include <vector>

#include "weft/nfn/models/accuracy_model.h"
#include "weft/nn/trainer.h"

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

/// Trains a model on examples: binary cross-entropy against the target, Adam, the best epoch by Kendall's tau on the
/// validation networks. Its metrics are "validation_loss" and "validation_tau".
class Fit : public Trainer {
 public:
  /// The examples lie on the CPU: to a device they go once, here. Throws UsageError for a config out of its range or no
  /// examples, a target outside [0, 1], or axes to permute that the model lacks; OutOfDeviceMemory.
  Fit(AccuracyModel& model, const FitConfig& config, Examples train, Examples validation);

 private:
  Fit(AccuracyModel& model, const FitConfig& checked, std::int64_t items, Examples train, Examples validation);
};

/// Of an epoch of Fit's log.
inline double validation_loss(const Trainer::Epoch& epoch) { return epoch.metrics[0]; }
inline double validation_tau(const Trainer::Epoch& epoch) { return epoch.metrics[1]; }

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
