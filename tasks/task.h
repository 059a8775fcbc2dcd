#pragma once
// What models learn to predict of each network of a zoo: a number about it, or a class that it is of.

#include <span>
#include <string_view>
#include <vector>

#include "weft/autograd/tape.h"
#include "weft/nfn/models/reader.h"
#include "weft/nn/metrics.h"
#include "weft/zoo/store.h"

namespace weft {

/// How well what a model says fits the truth.
struct Metric {
  const char* name;  ///< "tau", in files and messages
  const char* text;  ///< "Kendall's tau-b", in tables
  /// outputs: of n networks, one network's after another's; truth: their n targets.
  double (*of)(std::span<const double> outputs, std::span<const double> truth);
  /// The most that outputs without ties reach against a truth that has some; null where ties cost nothing.
  double (*ceiling)(std::span<const double> truth) = nullptr;
  std::size_t least = 1;  ///< networks of which it says anything
  bool highest = true;    ///< the higher the better, else the lower
  int digits = 3;         ///< behind the point, in tables
};
inline constexpr Metric tau_metric{
    .name = "tau", .text = "Kendall's tau-b", .of = kendall_tau_b, .ceiling = kendall_ceiling, .least = 2};

struct Task {
  const char* name;  ///< "accuracy"
  const char* text;  ///< what it is, on a line
  /// Targets are numbers of classes, whole ones from 0 to outputs - 1, and outputs are their scores. Else they are
  /// numbers from low to high, and there is one output; or as many as an image has, where there is `image`.
  bool classes = false;
  double low = 0, high = 0;
  /// Numbers that a model says of a network: 1, or how many classes there are. Throws UsageError for a zoo that does
  /// not name them.
  std::int64_t (*outputs)(const Zoo& zoo);
  /// What is to be predicted of a checkpoint; NaN where it was not measured. Throws FormatError for what is no target.
  double (*target)(const Zoo& zoo, const ZooRow& row);
  /// Of tasks for models that edit networks (ModelKind::edits): what the edited network should show, [outputs]. Then
  /// `target` says only whether there is one, and predictions are none.
  void (*image)(const Zoo& zoo, const ZooRow& row, std::span<float> pixels) = nullptr;
  /// Per network: outputs [n, outputs] of a model, targets [n] of their dtype, or int32 labels [n]  ->  [n]
  Var (*loss)(const Var& output, const Tensor& target);
  /// What the outputs for one network predict. The metric ranks networks by outputs where predictions would tie.
  double (*prediction)(std::span<const double> outputs) = nullptr;
  /// Outputs that predict a target, into `outputs`: for models that are solved, not trained.
  void (*output)(double target, std::span<double> outputs) = nullptr;
  Metric metric = tau_metric;
  /// Whether it is what models learn of a zoo that no other task is named for; null: of none.
  bool (*usual)(const Zoo& zoo) = nullptr;
};

/// All of them, by tasks/list.h; the first is that of files which name none.
std::vector<const Task*> tasks();
/// Throws UsageError for an unknown one, naming those there are.
const Task& task(std::string_view name);
/// The usual one of a zoo: the class where its networks have one, else the accuracy.
const Task& usual_task(const Zoo& zoo);
/// The model that learns it of a zoo unless another one is named: of implicit networks one that respects their whole
/// group.
const ModelKind& usual_model(const Task& task, const Zoo& zoo);
/// Throws UsageError where a model with so many outputs does not do: a number has 1, classes and images have 2 or more.
void check_outputs(const Task& task, std::int64_t outputs);
/// The same, and FormatError where it cannot be judged on a zoo: of more classes, or images of another size.
void check_outputs(const Task& task, std::int64_t outputs, const Zoo& zoo);
/// The targets of some rows: float32 [ids], int32 of classes, float32 [ids, outputs] of images. Throws UsageError for
/// one that was not measured.
Tensor targets_of(const Task& task, const Zoo& zoo, std::span<const std::int64_t> ids);

}  // namespace weft
