#pragma once
// Ctrl-C in verbs that save their work as they go.

#include "weft/core/error.h"

namespace weft::apps {

/// Thrown at the next safe point after Ctrl-C.
class Interrupted : public Error {
 public:
  using Error::Error;
};

/// From here on the first Ctrl-C says at once what happens, and is seen by check_interrupt(); the second one ends the
/// program at once. `plan` is a literal that says when it stops and what is kept then: "stops after this step; …".
void catch_interrupts(const char* plan);
/// When the plan will be carried out, in seconds from now, as far as is known: Ctrl-C says it.
void expect_safe_point(double seconds);
/// Throws Interrupted when Ctrl-C was pressed. Long verbs call it wherever they can stop.
void check_interrupt();

}  // namespace weft::apps
