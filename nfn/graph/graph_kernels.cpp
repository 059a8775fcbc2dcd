// Compiled once per instruction set.

#include "weft/nfn/graph/graph_kernels.h"

namespace weft::inline WEFT_ISA {

namespace {

template <class Body>
void run(const Body& body, std::int64_t begin, std::int64_t end) {
  for (std::int64_t i = begin; i < end; ++i) loop_row(body, SerialTeam{}, i, nullptr);
}

}  // namespace

#define WEFT_ENTRY(Body) {run<Body>},
extern const graph::GraphKernels graph_kernels;
const graph::GraphKernels graph_kernels = {WEFT_GRAPH_EDGE_TEAM_LOOPS(WEFT_ENTRY)
                                               WEFT_GRAPH_NORM_TEAM_LOOPS(WEFT_ENTRY){}};
#undef WEFT_ENTRY

}  // namespace weft::inline WEFT_ISA
