#pragma once
// Ctrl-C in verbs that save their work as they go.

#include "weft/core/error.h"

namespace weft::apps {

/// Thrown at the next safe point after Ctrl-C.
class Interrupted : public Error {
 public:
  using Error::Error;
};

/// Literals: when a verb stops and what is kept then, "stops after this step; …"; and what is there once it stopped.
struct InterruptPlan {
  const char *stops, *left = "what was saved is kept, --resume goes on from there";
};

/// From here on the first Ctrl-C says at once what happens, and is seen by check_interrupt(); the second one ends the
/// program at once.
void catch_interrupts(const InterruptPlan& plan);
/// Another plan from here on, say once something is saved.
void change_plan(const InterruptPlan& plan);
/// When the plan will be carried out, in seconds from now, as far as is known: Ctrl-C says it.
void expect_safe_point(double seconds);
/// Throws Interrupted when Ctrl-C was pressed. Long verbs call it wherever they can stop.
void check_interrupt();

}  // namespace weft::apps
