#pragma once
// Team bodies of this folder by the CPU, compiled once per instruction set.

#include "weft/nfn/graph/edge_bodies.h"
#include "weft/nfn/graph/norm_bodies.h"

namespace weft::graph {

/// loop_row() of a body for [begin, end), by the calling thread.
template <class Body>
struct GraphKernel {
  void (*run)(const Body& body, std::int64_t begin, std::int64_t end);
};

struct GraphKernelsEnd {};
#define WEFT_BASE(Body) GraphKernel<weft::Body>,
struct GraphKernels : WEFT_GRAPH_EDGE_TEAM_LOOPS(WEFT_BASE) WEFT_GRAPH_NORM_TEAM_LOOPS(WEFT_BASE) GraphKernelsEnd {};
#undef WEFT_BASE

}  // namespace weft::graph
