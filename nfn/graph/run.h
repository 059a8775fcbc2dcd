#pragma once
// Team bodies of this folder, on the CPU or a device.

#include "weft/core/isa.h"
#include "weft/core/loop.h"
#include "weft/nfn/graph/graph_kernels.h"
#include "weft/nfn/schedule.h"

namespace weft {

WEFT_ISA_TABLE(graph::GraphKernels, graph_kernels)

namespace graph {

/// loop_row() of a body for [0, n), each of about `work` numbers.
template <class Body>
void run(Backend* backend, std::int64_t n, std::int64_t work, const Body& body) {
  if (backend) return backend->table<TeamLoopKernel<Body>>(Body::name).run(body, n);
  const GraphKernel<Body>& kernel = WEFT_FOR_ISA(graph_kernels);
  parallel_blocks(n, schedule::copy_grain(work),
                  [&](std::int64_t begin, std::int64_t end) { kernel.run(body, begin, end); });
}

}  // namespace graph
}  // namespace weft
