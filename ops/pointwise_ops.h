#pragma once
// The explicit list of pointwise operations. A new one: its own file in ops/pointwise/, its include and its line here.

#include "weft/ops/pointwise/abs.h"
#include "weft/ops/pointwise/add_scalar.h"
#include "weft/ops/pointwise/at_least.h"
#include "weft/ops/pointwise/at_most.h"
#include "weft/ops/pointwise/binary.h"
#include "weft/ops/pointwise/cos.h"
#include "weft/ops/pointwise/exp.h"
#include "weft/ops/pointwise/gelu.h"
#include "weft/ops/pointwise/leaky_relu.h"
#include "weft/ops/pointwise/log.h"
#include "weft/ops/pointwise/relu.h"
#include "weft/ops/pointwise/rsqrt.h"
#include "weft/ops/pointwise/scale.h"
#include "weft/ops/pointwise/sigmoid.h"
#include "weft/ops/pointwise/silu.h"
#include "weft/ops/pointwise/sin.h"
#include "weft/ops/pointwise/softplus.h"
#include "weft/ops/pointwise/sqrt.h"
#include "weft/ops/pointwise/square.h"
#include "weft/ops/pointwise/tanh.h"

/// X(Struct, function)
#define WEFT_UNARY_OPS(X)  \
  X(Abs, abs)              \
  X(AddScalar, add_scalar) \
  X(AtLeast, at_least)     \
  X(AtMost, at_most)       \
  X(Cos, cos)              \
  X(Exp, exp)              \
  X(Gelu, gelu)            \
  X(LeakyRelu, leaky_relu) \
  X(Log, log)              \
  X(Relu, relu)            \
  X(Rsqrt, rsqrt)          \
  X(Scale, scale)          \
  X(Sigmoid, sigmoid)      \
  X(Silu, silu)            \
  X(Sin, sin)              \
  X(Softplus, softplus)    \
  X(Sqrt, sqrt)            \
  X(Square, square)        \
  X(Tanh, tanh)

/// X(Struct, function)
#define WEFT_BINARY_OPS(X) \
  X(Add, add)              \
  X(Div, div)              \
  X(Maximum, maximum)      \
  X(Minimum, minimum)      \
  X(Mul, mul)              \
  X(Sub, sub)
