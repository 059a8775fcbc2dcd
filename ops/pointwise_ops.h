#pragma once
// The explicit list of pointwise operations. A new one: its own file in ops/pointwise/, its include and its line here.

#include "weft/ops/pointwise/abs.h"
#include "weft/ops/pointwise/add_scalar.h"
#include "weft/ops/pointwise/binary.h"
#include "weft/ops/pointwise/cos.h"
#include "weft/ops/pointwise/exp.h"
#include "weft/ops/pointwise/gelu.h"
#include "weft/ops/pointwise/leaky_relu.h"
#include "weft/ops/pointwise/log.h"
#include "weft/ops/pointwise/relu.h"
#include "weft/ops/pointwise/scale.h"
#include "weft/ops/pointwise/sigmoid.h"
#include "weft/ops/pointwise/sin.h"
#include "weft/ops/pointwise/square.h"
#include "weft/ops/pointwise/tanh.h"

/// X(Struct, function, default of the parameter p)
#define WEFT_UNARY_OPS(X)        \
  X(Abs, abs, 0)                 \
  X(AddScalar, add_scalar, 0)    \
  X(Cos, cos, 1)                 \
  X(Exp, exp, 0)                 \
  X(Gelu, gelu, 0)               \
  X(LeakyRelu, leaky_relu, 0.01) \
  X(Log, log, 0)                 \
  X(Relu, relu, 0)               \
  X(Scale, scale, 1)             \
  X(Sigmoid, sigmoid, 0)         \
  X(Sin, sin, 1)                 \
  X(Square, square, 0)           \
  X(Tanh, tanh, 0)

/// X(Struct, function)
#define WEFT_BINARY_OPS(X) \
  X(Add, add)              \
  X(Mul, mul)              \
  X(Sub, sub)
