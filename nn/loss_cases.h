#pragma once
// The cases of nn/losses.h. In the library of cases, which tests alone link.

#include <vector>

#include "weft/autograd/op_case.h"

namespace weft {

std::vector<OpCase> loss_cases();

}  // namespace weft
