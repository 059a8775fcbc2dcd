#pragma once
// Parallel loops over blocks. The bounds of the blocks depend on the problem only, never on the number of threads, and
// no result is ever combined across threads in an order that depends on it: the same seed gives the same bits on 1, 2
// or 4 threads.
//
// The threads are weft's own. A loop never waits for a thread that the system has not scheduled: blocks belong to
// nobody until they are begun, and the calling thread can do all of them. An idle thread sleeps after a moment, so that
// cores are left to others. (A team of OpenMP has to meet at the end of every loop, which on a machine with a busy core
// made two threads several times slower than one.)

#include <cstdint>

#include "weft/core/hd.h"
#include "weft/core/stop.h"

namespace weft {

/// Number of threads of weft's loops: WEFT_THREADS, else OMP_NUM_THREADS, else the processors that this process may
/// use. Throws UsageError when one of the two is set to something else than 1 to 1024.
int threads();
/// Throws UsageError for n < 1 or n > 1024.
void set_threads(int n);

/// Internal: a loop with its type forgotten.
struct BlockLoop {
  void (*block)(const void* body, std::int64_t i, int worker);
  const void* body;
};
/// Calls loop.block for 0 … blocks - 1 in any order on threads() threads. Rethrows the first exception of a block,
/// once no block runs any more; those not begun are left out.
void run_blocks(std::int64_t blocks, const BlockLoop& loop);

inline namespace WEFT_ISA {

/// body(begin, end, worker) on blocks of `grain` items of [0, n). worker < threads() names the running thread's scratch
/// memory (0: the calling thread); results must not depend on it. An exception of the body ends the loop and reaches
/// the caller. A loop inside a loop, or beside one of another thread of the program, runs on the calling thread alone.
/// Where the calling thread is Stoppable, the loop may not begin (core/stop.h).
/// Allocates nothing once a loop has run on this number of threads.
template <class Body>
inline void parallel_workers(std::int64_t n, std::int64_t grain, const Body& body) {
  stop_point();
  const std::int64_t blocks = (n + grain - 1) / grain;
  auto block = [&](std::int64_t i, int worker) {
    body(i * grain, i * grain + grain < n ? i * grain + grain : n, worker);
  };
  if (blocks <= 1 || threads() == 1) {
    for (std::int64_t i = 0; i < blocks; ++i) block(i, 0);
    return;
  }
  using Block = decltype(block);
  run_blocks(blocks,
             {[](const void* f, std::int64_t i, int worker) { (*static_cast<const Block*>(f))(i, worker); }, &block});
}

/// body(begin, end) on blocks of `grain` items of [0, n).
template <class Body>
inline void parallel_blocks(std::int64_t n, std::int64_t grain, const Body& body) {
  parallel_workers(n, grain, [&](std::int64_t begin, std::int64_t end, int) { body(begin, end); });
}

}  // namespace WEFT_ISA

}  // namespace weft
