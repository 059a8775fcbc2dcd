#include "weft/cuda/device_backend.h"

#include "weft/cuda/loop_lists.h"
#include "weft/cuda/tables.h"

namespace weft::cuda::inline WEFT_ISA {

namespace {

template <class Body>
const LoopKernel<Body> loop_table = {run_loop<Body>};
template <class Body>
const TeamLoopKernel<Body> team_loop_table = {run_team_loop<Body>};

}  // namespace

DeviceBackend::DeviceBackend() {
  provide(move_kernels);
  provide(random_kernels);
  provide(pointwise_kernels);
  provide(row_kernels);
  provide(product_kernels);
  provide(update_kernels);
#define WEFT_LOOP(...) provide(loop_table<__VA_ARGS__>);
#define WEFT_TEAM_LOOP(...) provide(team_loop_table<__VA_ARGS__>);
  WEFT_LOOPS(WEFT_LOOP)
  WEFT_TEAM_LOOPS(WEFT_TEAM_LOOP)
}

}  // namespace weft::cuda::inline WEFT_ISA
