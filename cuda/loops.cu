// The bodies of the lists of core/loop.h: a new one needs no line here.

#include "weft/cuda/launch.h"
#include "weft/cuda/loop_lists.h"
#include "weft/cuda/tables.h"

namespace weft::cuda::inline WEFT_ISA {

template <class Body>
void run_loop(const Body& body, std::int64_t n) {
  launch_range(Body::name, LoopBody<Body>{body}, singles(n));
}

template <class Body>
void run_team_loop(const Body& body, std::int64_t n) {
  launch_team_loop(body, n);
}

#define WEFT_LOOP(...) template void run_loop(const __VA_ARGS__&, std::int64_t);
#define WEFT_TEAM_LOOP(...) template void run_team_loop(const __VA_ARGS__&, std::int64_t);
WEFT_LOOPS(WEFT_LOOP)
WEFT_TEAM_LOOPS(WEFT_TEAM_LOOP)

}  // namespace weft::cuda::inline WEFT_ISA
