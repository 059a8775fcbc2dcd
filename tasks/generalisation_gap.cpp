// How much better a network is on the items that it was trained on than on test items.

#include "weft/nn/losses.h"
#include "weft/ops/view.h"
#include "weft/tasks/task.h"

namespace weft {

extern const Task generalisation_gap_task{
    .name = "generalisation-gap",
    .text = "accuracy on training items less that on test items",
    .low = -1,
    .high = 1,
    .outputs = [](const Zoo&) -> std::int64_t { return 1; },
    .target = [](const Zoo&, const ZooRow& row) { return row.train_accuracy - row.accuracy; },
    .loss = [](const Var& output,
               const Tensor& target) { return squared_error(reshape(output, target.shape()), target); },
    .prediction = [](std::span<const double> outputs) { return outputs[0]; },
    .output = [](double target, std::span<double> outputs) { outputs[0] = target; }};

}  // namespace weft
