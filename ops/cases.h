#pragma once
// The cases of operations that are no family (ops/family_cases.h has those). They stand beside their operations, in a
// library of their own, which tests alone link.

#include <vector>

#include "weft/autograd/op_case.h"

namespace weft {

std::vector<OpCase> act_cases();
std::vector<OpCase> contract_cases();
std::vector<OpCase> view_cases();

}  // namespace weft
