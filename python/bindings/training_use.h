#pragma once
// One training of a model at a time.

#include <map>
#include <thread>

#include "bindings.h"

#include "weft/nn/module.h"

namespace weft::python {

/// While it lives, the calling thread trains the model, or changes it as a whole. Made and destroyed with the GIL.
/// Throws UsageError while another thread does so, or the model's own loss.
class TrainingUse {
 public:
  explicit TrainingUse(const Module& model) : model_(&model.parameters()) {
    if (!trained().emplace(model_, std::this_thread::get_id()).second) refuse();
  }
  ~TrainingUse() { trained().erase(model_); }
  TrainingUse(const TrainingUse&) = delete;
  TrainingUse& operator=(const TrainingUse&) = delete;

  /// For what a loss may ask of its own training.
  static void refuse_other_threads(const Module& model) {
    const auto found = trained().find(&model.parameters());
    if (found != trained().end() && found->second != std::this_thread::get_id()) refuse();
  }

 private:
  static std::map<const Parameters*, std::thread::id>& trained() {
    static std::map<const Parameters*, std::thread::id> all;  // guarded by the GIL
    return all;
  }
  [[noreturn]] static void refuse() {
    throw UsageError(
        "[training] the model is in training, by another thread or around this call; allowed: one at a time");
  }

  const Parameters* model_;
};

}  // namespace weft::python
