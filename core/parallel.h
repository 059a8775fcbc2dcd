#pragma once
// Parallel loops on OpenMP. The bounds of the blocks depend on the problem only, never on the number of threads, and no
// result is ever combined across threads in an order that depends on it: the same seed gives the same bits on 1, 2 or 4
// threads.

#include <cstdint>

#include <omp.h>

#include "weft/core/hd.h"

namespace weft {

/// Number of threads of weft's loops: WEFT_THREADS, else what OpenMP would take.
int threads();
/// Throws UsageError for n < 1 or n > 1024.
void set_threads(int n);

inline namespace WEFT_ISA {

/// body(begin, end, worker) on blocks of `grain` items of [0, n). worker < threads() names the calling thread's scratch
/// memory; results must not depend on it. The body must not throw. Allocates nothing once a team of this size has run.
template <class Body>
inline void parallel_workers(std::int64_t n, std::int64_t grain, const Body& body) {
  const std::int64_t blocks = (n + grain - 1) / grain;
  const int team = threads();
  if (blocks <= 1 || team == 1) {
    for (std::int64_t i = 0; i < blocks; ++i) body(i * grain, i * grain + grain < n ? i * grain + grain : n, 0);
    return;
  }
  // Always the whole team: OpenMP ends the threads that a smaller one leaves out, and starts them again for the next.
#pragma omp parallel num_threads(team)
  {
    const int worker = omp_get_thread_num();
#pragma omp for schedule(static) nowait
    for (std::int64_t i = 0; i < blocks; ++i) body(i * grain, i * grain + grain < n ? i * grain + grain : n, worker);
  }
}

/// body(begin, end) on blocks of `grain` items of [0, n). The body must not throw.
template <class Body>
inline void parallel_blocks(std::int64_t n, std::int64_t grain, const Body& body) {
  parallel_workers(n, grain, [&](std::int64_t begin, std::int64_t end, int) { body(begin, end); });
}

}  // namespace WEFT_ISA

}  // namespace weft
