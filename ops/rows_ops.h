#pragma once
// The explicit list of row operations. A new one: its own file in ops/rows/, its include and its line here.

#include "weft/ops/rows/l2_normalise.h"
#include "weft/ops/rows/layer_norm.h"
#include "weft/ops/rows/log_softmax.h"
#include "weft/ops/rows/softmax.h"
#include "weft/ops/rows/sum.h"

/// X(Struct, function)
#define WEFT_ROW_OPS(X)        \
  X(L2Normalise, l2_normalise) \
  X(LayerNorm, layer_norm)     \
  X(LogSoftmax, log_softmax)   \
  X(Mean, mean)                \
  X(Softmax, softmax)          \
  X(Sum, sum)
