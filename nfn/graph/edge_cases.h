#pragma once
// The cases of nfn/graph/edges.h and norms.h. In the library of cases, which tests alone link.

#include <vector>

#include "weft/autograd/op_case.h"

namespace weft {

std::vector<OpCase> edge_cases();

}  // namespace weft
