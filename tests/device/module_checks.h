#pragma once
// Layers and models on the device against the CPU.

#include <functional>
#include <string>
#include <vector>

#include "weft/groups/space.h"
#include "weft/nn/module.h"
#include "weft/ops/features.h"
#include "weft/tests/device/device_under_test.h"

namespace weft::testing {

using Vars = std::vector<Var>;

/// A layer or model.
using Run = std::function<Vars(const Features&)>;
/// Makes it as a part of `model`.
using Made = std::function<Run(const Module& model)>;

struct ModuleCase {
  Space space;  ///< of the features
  std::int64_t channels = 1;
  bool features_want_gradients = true;
  double float32 = 2e-4;  ///< largest relative error of a channel in float32
};

/// Values and all gradients of a step against the CPU's, in float64 (1e-10) and float32, and a second step, which must
/// take no memory and see the same bits. What is wrong, or an empty string.
std::string check_module(const ModuleCase& c, const Made& made, RandomKey key);

}  // namespace weft::testing
