// The accuracy of a network on test items, as the logit of a probability (spec 2.6, 3.5).

#include <algorithm>
#include <cmath>

#include "weft/nn/losses.h"
#include "weft/ops/view.h"
#include "weft/tasks/task.h"

namespace weft {

extern const Task accuracy_task{
    .name = "accuracy",
    .text = "accuracy on test items",
    .low = 0,
    .high = 1,
    .outputs = [](const Zoo&) -> std::int64_t { return 1; },
    .target = [](const Zoo&, const ZooRow& row) { return row.accuracy; },
    .loss =
        [](const Var& output, const Tensor& target) {
          return binary_cross_entropy_with_logits(reshape(output, target.shape()), target);
        },
    .prediction = [](std::span<const double> outputs) { return 1 / (1 + std::exp(-outputs[0])); },
    // Kept away from 0 and 1, whose logits are infinite.
    .output =
        [](double target, std::span<double> outputs) {
          const double p = std::clamp(target, 0.001, 0.999);
          outputs[0] = std::log(p / (1 - p));
        }};

}  // namespace weft
