// The accuracy of a network on test items, as the logit of a probability (spec 2.6, 3.5).

#include <algorithm>
#include <cmath>

#include "weft/nn/losses.h"
#include "weft/tasks/task.h"

namespace weft {

extern const Task accuracy_task{.name = "accuracy",
                                .text = "accuracy on test items",
                                .low = 0,
                                .high = 1,
                                .target = [](const ZooRow& row) { return row.accuracy; },
                                .loss = binary_cross_entropy_with_logits,
                                .prediction = [](double output) { return 1 / (1 + std::exp(-output)); },
                                // Kept away from 0 and 1, whose logits are infinite.
                                .output =
                                    [](double target) {
                                      const double p = std::clamp(target, 0.001, 0.999);
                                      return std::log(p / (1 - p));
                                    }};

}  // namespace weft
