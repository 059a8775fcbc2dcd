#include "weft/core/stop.h"

#include <utility>

namespace weft {
namespace {

thread_local Stoppable::Check current = nullptr;

}  // namespace

Stoppable::Stoppable(Check check) : before_(std::exchange(current, check)) {}
Stoppable::~Stoppable() { current = before_; }

void stop_point() {
  if (current) current();
}

}  // namespace weft
