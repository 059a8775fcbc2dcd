#pragma once
// Long calls that have no steps of their own (matching networks, deriving layers, predicting) end early where a program
// asks for it: Ctrl-C in Python, a window that is closed.

namespace weft {

/// While it lives, every parallel loop that this thread begins calls `check` first, and so do the few long loops that
/// are not parallel. What the check throws ends the call and reaches whoever called it. Checks come often: one that is
/// dear looks at the clock first. Only for calls that return something new: what a call writes into, a model in
/// training say, would be left half written.
///     const Stoppable call([] { if (closed) throw Closed(); });
///     same = compare_network_files(a, b);
class Stoppable {
 public:
  using Check = void (*)();
  explicit Stoppable(Check check);
  ~Stoppable();
  Stoppable(const Stoppable&) = delete;
  Stoppable& operator=(const Stoppable&) = delete;

 private:
  Check before_;
};

/// Calls the check of this thread's Stoppable, if there is one.
void stop_point();

}  // namespace weft
