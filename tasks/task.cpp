#include "weft/tasks/task.h"

#include <cmath>

#include "weft/core/registry.h"
#include "weft/tasks/list.h"

namespace weft {

#define WEFT_TASK(name) extern const Task name##_task;
WEFT_TASKS(WEFT_TASK)
#undef WEFT_TASK

std::vector<const Task*> tasks() {
#define WEFT_TASK(name) &name##_task,
  return {WEFT_TASKS(WEFT_TASK)};
#undef WEFT_TASK
}

const Task& task(std::string_view name) { return named("task", name, tasks()); }

Tensor targets_of(const Task& task, const Zoo& zoo, std::span<const std::int64_t> ids) {
  const Tensor targets = Tensor::zeros({static_cast<std::int64_t>(ids.size())}, DType::f32);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const double target = task.target(zoo.row(ids[i]));
    if (!std::isfinite(target))
      throw UsageError("[task] the {} of row {} of the zoo was not measured; leave it out", task.name, ids[i]);
    targets.data<float>()[i] = static_cast<float>(target);
  }
  return targets;
}

}  // namespace weft
