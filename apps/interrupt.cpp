#include "weft/apps/interrupt.h"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <string>

#include <unistd.h>

#include "weft/apps/command.h"
#include "weft/core/ranks.h"

namespace weft::apps {
namespace {

constexpr std::int64_t unknown = -1;

volatile std::sig_atomic_t interrupted = 0;
std::atomic<const char*> plan_stops{""}, plan_left{""};
std::atomic<std::int64_t> due{unknown};  ///< by milliseconds()
static_assert(std::atomic<const char*>::is_always_lock_free && std::atomic<std::int64_t>::is_always_lock_free);

std::int64_t milliseconds() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

/// A line put together without memory, as a signal handler must.
class Line {
 public:
  void add(const char* text) {
    while (*text && size_ < sizeof(text_)) text_[size_++] = *text++;
  }
  void add(std::int64_t n) {
    char digits[20];
    int count = 0;
    do digits[count++] = static_cast<char>('0' + n % 10);
    while (n /= 10);
    while (count > 0 && size_ < sizeof(text_)) text_[size_++] = digits[--count];
  }
  void write() const {
    if (::write(STDERR_FILENO, text_, size_) < 0) return;  // nobody to tell
  }

 private:
  char text_[600];
  std::size_t size_ = 0;
};

void on_interrupt(int) {
  const int error = errno;
  interrupted = 1;
  Line line;
  line.add("\nweft: Ctrl-C: ");
  line.add(plan_stops.load());
  if (const std::int64_t then = due.load(); then == unknown) {
    line.add(" How long that takes is not known yet.");
  } else {
    const std::int64_t left = (then - milliseconds() + 999) / 1000;
    line.add(" It takes about ");
    line.add(left < 1 ? 1 : left);
    line.add(" s.");
  }
  line.add(" Ctrl-C again ends at once.\n");
  if (ranks().first()) line.write();
  errno = error;
}

/// mpirun ends its ranks so, on Ctrl-C or when one of them is lost, and kills them a moment later.
void on_end_of_job(int) {
  Line line;
  line.add("\nweft: stopped; ");
  line.add(plan_left.load());
  line.add("\n");
  if (ranks().first()) line.write();
  _exit(exit_interrupted);
}

}  // namespace

void change_plan(const InterruptPlan& plan) {
  plan_stops = plan.stops;
  plan_left = plan.left;
}

void catch_interrupts(const InterruptPlan& plan) {
  change_plan(plan);
  due = unknown;
  struct sigaction action = {};
  action.sa_handler = on_interrupt;
  action.sa_flags = SA_RESETHAND | SA_RESTART;  // the second one finds the default: it ends the program
  sigaction(SIGINT, &action, nullptr);
  if (ranks().size() == 1) return;
  action.sa_handler = on_end_of_job;
  sigaction(SIGTERM, &action, nullptr);
}

void expect_safe_point(double seconds) { due = milliseconds() + static_cast<std::int64_t>(1000 * seconds); }

void check_interrupt() {
  if (interrupted) throw Interrupted(std::string("interrupted; ") + plan_left.load());
}

}  // namespace weft::apps
