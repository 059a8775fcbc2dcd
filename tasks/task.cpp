#include "weft/tasks/task.h"

#include <cmath>

#include <fmt/ranges.h>

#include "weft/tasks/list.h"

namespace weft {

#define WEFT_TASK(name) extern const Task name##_task;
WEFT_TASKS(WEFT_TASK)
#undef WEFT_TASK

std::vector<const Task*> tasks() {
  std::vector<const Task*> all;
#define WEFT_TASK(name) all.push_back(&name##_task);
  WEFT_TASKS(WEFT_TASK)
#undef WEFT_TASK
  return all;
}

const Task& task(std::string_view name) {
  std::vector<std::string_view> names;
  for (const Task* t : tasks()) {
    if (t->name == name) return *t;
    names.emplace_back(t->name);
  }
  throw UsageError("[task] '{}'; allowed: {}", name, fmt::join(names, ", "));
}

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
