#pragma once
// Readers: models that read the weights of a network and say numbers about it, as its test accuracy or its class.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "weft/core/random.h"
#include "weft/core/settings.h"
#include "weft/groups/sine_group.h"
#include "weft/groups/space.h"
#include "weft/nn/module.h"

namespace weft {

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
class Reader : public Module {
 public:
  virtual ~Reader() = default;
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  const Space& space() const { return space_; }
  const Settings& settings() const { return settings_; }
  /// Numbers that it says of a network: 1 of an accuracy, scores of classes.
  std::int64_t outputs() const { return outputs_; }

  /// Takes from the training networks what prepare() brings its inputs to a common size with, so it comes before any
  /// prepare(): mean and deviation of every input of a baseline, one factor per tensor for a functional network, whose
  /// inputs are never centred, for that would break its scaling (spec 4.4). It is saved with the parameters. Returns
  /// these networks as prepare() does from then on.
  virtual std::vector<Tensor> standardise(std::span<const Tensor> weights) { return prepare(weights); }
  /// For models that need no steps: finds the parameters with which the training networks have these outputs, [n,
  /// outputs()] network by network. Returns whether it did.
  virtual bool solve(std::span<const Tensor> prepared, std::span<const double> outputs);
  /// What forward() reads of n networks; made once, before training, on the CPU.
  /// weights: one feature per tensor of the space, [n, taps, axes…]  ->  tensors [n, …]
  /// As they are, unless a model says otherwise.
  virtual std::vector<Tensor> prepare(std::span<const Tensor> weights) const {
    return {weights.begin(), weights.end()};
  }
  /// Where prepare() keeps the tensors of the space: their axes that the layers take as fixed. Empty for a baseline.
  virtual std::vector<FixedAxis> fixed_axes() const { return {}; }
  /// Of readers of sine networks: the parts of these networks' group (spec 9.1) under which what it says stays as it
  /// is. Of others, whose group is their space's, nothing.
  virtual std::optional<SineMoves> sine_moves() const { return {}; }
  /// prepared tensors of B networks, which lie where the model does -> [B, outputs()]; what they predict is said by the
  /// task that they are trained for (tasks/task.h): of an accuracy they are logits.
  /// training: for readers with dropout, in a training step: a key that differs from step to step, or one that is
  /// counted (RandomKey::counted). Without one nothing is dropped.
  virtual Var forward(Tape& tape, std::span<const Tensor> prepared,
                      const std::optional<RandomKey>& training = {}) const = 0;

 protected:
  Reader(const char* kind, const Settings& settings, const Space& space, std::int64_t outputs)
      : Module(kind), settings_(settings), space_(space), outputs_(outputs) {}

  Settings settings_;
  Space space_;
  std::int64_t outputs_;
};

/// What there is to know of a kind of model before one is made: from it follow the command line, files and checks.
struct ModelKind {
  const char* name;        ///< "magep"
  const char* text;        ///< what it is, on a line
  const char* reads_text;  ///< "dense and convolutional networks"
  bool (*reads)(const Space& space);
  bool edits = false;  ///< it is an EditReader (nfn/models/edit_reader.h)
  std::vector<Setting> settings;
  /// The usual values of its training's settings (tasks/fit.h), where they are others.
  std::vector<std::pair<std::string, SettingValue>> training;
  bool solved = false;  ///< by Reader::solve: it has no such settings
  /// Throws TypeError, UsageError when the space does not suit the kind.
  std::unique_ptr<Reader> (*make)(const ModelKind& kind, const Settings& settings, const Space& space,
                                  std::int64_t outputs);
};
/// All of them, by nfn/models/list.h.
std::vector<const ModelKind*> model_kinds();
/// Throws UsageError for an unknown one, naming those there are.
const ModelKind& model_kind(std::string_view name);
/// Of a kind: the usual ones, but for those given. Throws UsageError for one that the kind lacks, or out of range.
Settings model_settings(std::string_view kind, Settings::Given given = {});

// Settings that several kinds have.
Setting channels_setting(std::int64_t usual);
Setting equivariant_layers_setting(std::int64_t usual);
Setting hidden_setting(std::int64_t usual);

/// A model whose parameters have names and shapes, but no memory yet. Throws what the kind's make() throws, ShapeError
/// for networks too large, UsageError for outputs that are none or too many.
std::unique_ptr<Reader> declare_reader(std::string_view kind, const Settings& settings, const Space& space,
                                       std::int64_t outputs = 1);

/// Builds a model, on the CPU or a device, and draws its start values.
std::unique_ptr<Reader> make_reader(std::string_view kind, const Settings& settings, const Space& space, DType dtype,
                                    RandomKey key, Backend* backend = nullptr, std::int64_t outputs = 1);
std::unique_ptr<Reader> make_reader(std::string_view kind, Settings::Given given, const Space& space, DType dtype,
                                    RandomKey key, Backend* backend = nullptr, std::int64_t outputs = 1);

}  // namespace weft
