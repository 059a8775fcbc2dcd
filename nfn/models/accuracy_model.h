#pragma once
// Models that read the weights of a network and predict one number in (0, 1) about it, as its test accuracy.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "weft/groups/space.h"
#include "weft/nn/module.h"

namespace weft {

/// Everything that makes a model but its parameters; a checkpoint holds it.
struct ModelConfig {
  std::string kind = "magep";  ///< one of model_kinds
  std::int64_t channels = 20;  ///< of a functional network's layers
  std::int64_t equivariant_layers = 2;
  std::int64_t hidden = 500;          ///< of the head's, or the baseline's, two hidden layers
  bool train_psi = false;             ///< magep: E's; I's are always trained
  std::string classifier = "linear";  ///< transformer-nfn: one of classifier_kinds
};

/// Sizes that are not given. 500 hidden ones, 1000 for statistics, and for transformer-nfn, whose head is small, 10 and
/// 10 channels with one equivariant layer.
ModelConfig default_config(const std::string& kind);

/// How Transformer-NFN reads a transformer's classifier: by linear layers and the normalising pool, by MAGEP's
/// invariant layer, or flattened, without its symmetry.
inline constexpr const char* classifier_kinds[] = {"linear", "magep", "flat"};

inline constexpr const char* model_kinds[] = {"magep", "transformer-nfn", "statnn", "balanced-statnn", "mlp"};

/// An axis that a model's layers take as fixed although its numbers have no order: input pixels, features between
/// blocks, classes. Where it stands in the tensors of the space, as (tensor, axis).
struct FixedAxis {
  std::int64_t size = 0;
  std::vector<std::pair<int, int>> places;
};

/// Every axis over a fixed factor of more than one number: one per factor, or per name(tensor, factor), which is asked
/// in the order of the tensors and their axes.
std::vector<FixedAxis> fixed_axes_of(const Space& space);
std::vector<FixedAxis> fixed_axes_of(const Space& space,
                                     const std::function<std::string(const SpaceTensor&, const std::string&)>& name);

/// One model on networks of one space.
class AccuracyModel : public Module {
 public:
  virtual ~AccuracyModel() = default;
  AccuracyModel(const AccuracyModel&) = delete;
  AccuracyModel& operator=(const AccuracyModel&) = delete;

  const Space& space() const { return space_; }
  const ModelConfig& config() const { return config_; }

  /// Takes from the training networks what prepare() brings its inputs to a common size with, so it comes before any
  /// prepare(): mean and deviation of every input of a baseline, one factor per tensor for a functional network, whose
  /// inputs are never centred, for that would break its scaling (spec 4.4). It is saved with the parameters. Returns
  /// these networks as prepare() does from then on.
  virtual std::vector<Tensor> standardise(std::span<const Tensor> weights) { return prepare(weights); }
  /// What forward() reads of n networks; made once, before training, on the CPU.
  /// weights: one feature per tensor of the space, [n, taps, axes…]  ->  tensors [n, …]
  virtual std::vector<Tensor> prepare(std::span<const Tensor> weights) const = 0;
  /// Where prepare() keeps the tensors of the space: their axes that the layers take as fixed. Empty for a baseline.
  virtual std::vector<FixedAxis> fixed_axes() const { return {}; }
  /// prepared tensors of B networks, which lie where the model does -> logits [B]; the prediction is their sigmoid.
  virtual Var forward(Tape& tape, std::span<const Tensor> prepared) const = 0;

 protected:
  AccuracyModel(const ModelConfig& config, const Space& space) : Module(config.kind), config_(config), space_(space) {}

  ModelConfig config_;
  Space space_;
};

/// A model whose parameters have names and shapes, but no memory yet. Throws UsageError for an unknown kind of model or
/// classifier (naming those there are) or a size out of its range, ShapeError for networks too large, TypeError when
/// the space does not suit the kind.
std::unique_ptr<AccuracyModel> declare_accuracy_model(const ModelConfig& config, const Space& space);

/// Builds a model, on the CPU or a device, and draws its start values. Throws what declare_accuracy_model throws.
std::unique_ptr<AccuracyModel> make_accuracy_model(const ModelConfig& config, const Space& space, DType dtype, Key key,
                                                   Backend* backend = nullptr);

}  // namespace weft
