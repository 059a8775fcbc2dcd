#pragma once
// A loop over independent numbers, or over rows of work that a team shares, on the CPU or on a device. What it does is
// a struct of plain data, outside the namespaces of instruction sets, and beside it, within WEFT_ISA, a function:
//     WEFT_HD void loop_at(const Body& body, std::int64_t i)                                       for loop()
//     template <class Team> WEFT_HD void loop_row(const Body& body, const Team& team, std::int64_t i, void* scratch)
//                                                                                                  for team_loop()
// A body has a `name`, which messages show; one for teams also `lanes`, 32 or 256, of its teams on a device, and
// scratch_bytes(), what a team needs of memory that it shares. It has `registers` where a thread of a device should not
// have as many as is usual: 80 for loop(), 128 for team_loop(). A device has the bodies that cuda/loop_lists.h names.

#include <cstdint>

#include "weft/core/arena.h"
#include "weft/core/backend.h"
#include "weft/core/device_kernels.h"
#include "weft/core/parallel.h"
#include "weft/core/team.h"

namespace weft {

/// loop_at(body, i) for i in [0, n): on the device of `backend`, or in blocks of `grain` on the CPU when it is null.
template <class Body>
void loop(Backend* backend, std::int64_t n, std::int64_t grain, const Body& body) {
  if (backend) return backend->table<LoopKernel<Body>>(Body::name).run(body, n);
  parallel_blocks(n, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) loop_at(body, i);
  });
}

/// loop_row(body, team, i, scratch) for i in [0, n). A team is one thread on the CPU, a warp or a block on a device.
/// Its lanes meet after each of its each(), sum() and max(); scratch, of 16-byte alignment, is not initialised. `host`
/// gives the CPU's scratch.
template <class Body>
void team_loop(Backend* backend, Arena& host, std::int64_t n, std::int64_t grain, const Body& body) {
  if (backend) return backend->table<TeamLoopKernel<Body>>(Body::name).run(body, n);
  const Arena::Mark mark = host.mark();
  const auto bytes = static_cast<std::size_t>((body.scratch_bytes() + 63) / 64 * 64);
  auto* scratch = static_cast<std::byte*>(host.allocate(bytes * static_cast<std::size_t>(threads())));
  parallel_workers(n, grain, [&](std::int64_t begin, std::int64_t end, int worker) {
    for (std::int64_t i = begin; i < end; ++i)
      loop_row(body, SerialTeam{}, i, scratch + static_cast<std::size_t>(worker) * bytes);
  });
  host.rewind(mark);
}

}  // namespace weft
