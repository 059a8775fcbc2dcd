#include "weft/tasks/task.h"

#include <algorithm>
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

const Task& usual_task(const Zoo& zoo) {
  const std::vector<const Task*> all = tasks();
  const auto found = std::ranges::find_if(all, [&](const Task* t) { return t->usual && t->usual(zoo); });
  return found == all.end() ? *all.front() : **found;
}

const ModelKind& usual_model(const Task& task, const Zoo& zoo) {
  return model_kind(task.image ? "edit-sine" : zoo.description().views > 0 ? "inr-sine" : "magep");
}

void check_outputs(const Task& task, std::int64_t outputs) {
  const bool several = task.classes || task.image;
  if (several ? outputs < 2 : outputs != 1)
    throw UsageError("[task] the {} is predicted from {}, the model has {}", task.name,
                     several ? "2 outputs or more" : "1 output", outputs);
}

void check_outputs(const Task& task, std::int64_t outputs, const Zoo& zoo) {
  check_outputs(task, outputs);
  const std::int64_t wanted = task.outputs(zoo);
  if (task.image && outputs != wanted)
    throw FormatError("[task] images of the zoo have {} numbers, the model was trained on images of {}", wanted,
                      outputs);
  if (outputs < wanted) throw FormatError("[task] the zoo has {} classes, the model tells {} apart", wanted, outputs);
}

Tensor targets_of(const Task& task, const Zoo& zoo, std::span<const std::int64_t> ids) {
  Shape shape{static_cast<std::int64_t>(ids.size())};
  if (task.image) shape.push_back(task.outputs(zoo));
  const Tensor targets = Tensor::zeros(shape, task.classes ? DType::i32 : DType::f32);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const double target = task.target(zoo, zoo.row(ids[i]));
    if (!std::isfinite(target))
      throw UsageError("[task] the {} of row {} of the zoo was not measured; leave it out", task.name, ids[i]);
    if (task.image)
      task.image(zoo, zoo.row(ids[i]), targets[static_cast<std::int64_t>(i)].span<float>());
    else if (task.classes)
      targets.data<std::int32_t>()[i] = static_cast<std::int32_t>(target);
    else
      targets.data<float>()[i] = static_cast<float>(target);
  }
  return targets;
}

}  // namespace weft
