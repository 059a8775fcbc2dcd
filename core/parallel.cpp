#include "weft/core/parallel.h"

#include <atomic>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>

#include <sched.h>

#include "weft/core/error.h"
#include "weft/core/thread_pool.h"

namespace weft {
namespace {

constexpr int most_threads = 1024;

/// The whole value of an environment variable; 0 when it is not set.
int threads_from(const char* variable) {
  const char* text = std::getenv(variable);
  if (!text || !*text) return 0;
  int asked = 0;
  const char* end = text + std::strlen(text);
  const auto [rest, problem] = std::from_chars(text, end, asked);
  if (problem != std::errc() || rest != end || asked < 1 || asked > most_threads)
    throw UsageError("[threads] {} is '{}'; allowed: 1 to {}", variable, text, most_threads);
  return asked;
}

int processors() {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) == 0) return std::max(1, CPU_COUNT(&allowed));
  return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

int usual_threads() {
  for (const char* variable : {"WEFT_THREADS", "OMP_NUM_THREADS"})
    if (const int n = threads_from(variable)) return n;
  return std::min(processors(), most_threads);
}

std::atomic<int>& current() {
  static std::atomic<int> n = usual_threads();
  return n;
}

}  // namespace

int threads() { return current().load(std::memory_order_relaxed); }

void set_threads(int n) {
  if (n < 1 || n > most_threads) throw UsageError("[threads] {} asked for; allowed: 1 to {}", n, most_threads);
  current() = n;
}

void run_blocks(std::int64_t blocks, const BlockLoop& loop) {
  if (!ThreadPool::of_process().run(blocks, threads(), loop))
    for (std::int64_t i = 0; i < blocks; ++i) loop.block(loop.body, i, 0);
}

}  // namespace weft
