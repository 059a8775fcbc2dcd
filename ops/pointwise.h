#pragma once
// Pointwise operations on variables. Formula, derivative and flags of each stand in ops/pointwise/<op>.h; the list is
// ops/pointwise_ops.h. All throw TypeError where the group of an axis does not allow them (spec 1.5).

#include <concepts>
#include <optional>

#include "weft/autograd/tape.h"
#include "weft/groups/rules.h"
#include "weft/ops/pointwise_kernels.h"

namespace weft {

/// What the rest of the library knows about an op.
struct UnaryTraits {
  const char* name;
  bool odd, homogeneous, from_output;
  int twice_power;  ///< of an op that raises scales to a power: twice that; 0 of others
  OpParameter parameter;
};
const UnaryTraits& traits(UnaryOp op);

/// The table row (groups/rules.h) that decides about `op`.
Action action_of(UnaryOp op);

/// y = f(x; p) of the same shape; the usual p when none is given. Throws UsageError for one that the op does not take.
Var unary(UnaryOp op, const Var& x, std::optional<double> p = {});
/// y = f(a, b) of one type; a product's places move alike and its degrees add, a quotient's are subtracted. Throws
/// ShapeError for different shapes.
Var binary(BinaryOp op, const Var& a, const Var& b);

/// The kernels behind them: those of a device, or for the current instruction set where `backend` is null. float32 and
/// float64; throw DtypeError for others.
const UnaryKernel& kernel(UnaryOp op, DType dtype, Backend* backend = nullptr);
const BinaryKernel& kernel(BinaryOp op, DType dtype, Backend* backend = nullptr);

/// y = f(y) on neighbours with the default parameter, by the calling thread: what a product's epilogue takes.
template <class T>
auto activation(UnaryOp op) -> void (*)(T*, std::int64_t);

#define WEFT_FUNCTION(Op, function)                                      \
  inline Var function(const Var& x) { return unary(UnaryOp::Op, x); }    \
  template <std::convertible_to<double> P>                               \
  requires(parameter_of<Op>().taken()) Var function(const Var& x, P p) { \
    return unary(UnaryOp::Op, x, static_cast<double>(p));                \
  }
WEFT_UNARY_OPS(WEFT_FUNCTION)
#undef WEFT_FUNCTION

#define WEFT_FUNCTION(Op, function) \
  inline Var function(const Var& a, const Var& b) { return binary(BinaryOp::Op, a, b); }
WEFT_BINARY_OPS(WEFT_FUNCTION)
#undef WEFT_FUNCTION

}  // namespace weft
