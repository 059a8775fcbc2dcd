// How much better a network is on the items that it was trained on than on test items.

#include "weft/nn/losses.h"
#include "weft/tasks/task.h"

namespace weft {

extern const Task generalisation_gap_task{.name = "generalisation-gap",
                                          .text = "accuracy on training items less that on test items",
                                          .low = -1,
                                          .high = 1,
                                          .target = [](const ZooRow& row) { return row.train_accuracy - row.accuracy; },
                                          .loss = squared_error,
                                          .prediction = [](double output) { return output; },
                                          .output = [](double target) { return target; }};

}  // namespace weft
