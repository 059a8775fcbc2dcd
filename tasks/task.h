#pragma once
// A number about each network of a zoo that models learn to predict.

#include <string_view>
#include <vector>

#include "weft/autograd/tape.h"
#include "weft/zoo/store.h"

namespace weft {

struct Task {
  const char* name;  ///< "accuracy"
  const char* text;  ///< what it is, on a line
  double low, high;  ///< of targets
  /// What is to be predicted of a checkpoint; NaN where it was not measured.
  double (*target)(const ZooRow& row);
  /// Per network: outputs [n] of a model, targets [n].
  Var (*loss)(const Var& output, const Tensor& target);
  /// What an output predicts. Outputs rank networks where predictions would tie.
  double (*prediction)(double output);
  /// An output that predicts a target: for models that are solved, not trained.
  double (*output)(double target);
};

/// All of them, by tasks/list.h; the first is the usual one.
std::vector<const Task*> tasks();
/// Throws UsageError for an unknown one, naming those there are.
const Task& task(std::string_view name);
/// The targets of some rows, float32 [ids]. Throws UsageError for one that was not measured.
Tensor targets_of(const Task& task, const Zoo& zoo, std::span<const std::int64_t> ids);

}  // namespace weft
