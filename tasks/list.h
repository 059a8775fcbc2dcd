#pragma once
// What can be learnt about the networks of a zoo: a new task is its file, with a Task of that name, and its line here.

/// X(task)
#define WEFT_TASKS(X)   \
  X(accuracy)           \
  X(generalisation_gap) \
  X(image_class)
