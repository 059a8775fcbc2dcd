#pragma once
// The tensors of a weight space on a tape as one value: what layers of neural functional networks take and return.

#include <concepts>
#include <optional>
#include <span>
#include <string_view>

#include "weft/core/random.h"
#include "weft/groups/space.h"
#include "weft/ops/pointwise.h"

namespace weft {

/// One variable per tensor of a space, [B, C taps, axes…]: B networks with C channels. Like Var a handle that ends with
/// the step; the space, or a copy of it, outlives the step.
class Features {
 public:
  Features() = default;
  /// Of variables that are there, in the order of the space's tensors. Throws ShapeError for none, or another number of
  /// them; their types are checked by who reads them.
  Features(const Space& space, std::span<const Var> tensors);
  Features(const Space&& space, std::span<const Var> tensors) = delete;

  /// Weights of B networks, one tensor per tensor of the space, as constants or as leaves of the tape.
  static Features constant(Tape& tape, const Space& space, std::span<const Tensor> weights);
  static Features leaf(Tape& tape, const Space& space, std::span<const Tensor> weights);
  /// Random numbers of mean 0 and the given deviation, keyed by the tensors' names, as constants.
  static Features normal(Tape& tape, const Space& space, std::int64_t batch, std::int64_t channels, RandomKey key,
                         DType dtype = DType::f32, double deviation = 1);
  /// Of some networks: items, int32 [B], are their positions in the weights of N networks. Both lie where the tape
  /// does.
  static Features gathered(Tape& tape, const Space& space, std::span<const Tensor> weights, const Tensor& items);
  static Features constant(Tape&, const Space&&, std::span<const Tensor>) = delete;
  static Features leaf(Tape&, const Space&&, std::span<const Tensor>) = delete;
  static Features normal(Tape&, const Space&&, std::int64_t, std::int64_t, RandomKey, DType = DType::f32,
                         double = 1) = delete;
  static Features gathered(Tape&, const Space&&, std::span<const Tensor>, const Tensor&) = delete;

  bool defined() const { return space_ != nullptr; }
  /// These throw UsageError for undefined ones.
  const Space& space() const {
    if (!space_) refuse_undefined();
    return *space_;
  }
  Tape& tape() const { return (*this)[0].tape(); }
  DType dtype() const { return (*this)[0].dtype(); }
  std::int64_t batch() const { return (*this)[0].shape()[0]; }
  /// Without taps.
  std::int64_t channels() const { return (*this)[0].shape()[1] / space_->tensors()[0].taps(); }

  /// By name; throws UsageError naming those there are.
  const Var& operator[](std::string_view tensor) const { return (*this)[space().tensor(tensor)]; }
  const Var& operator[](int tensor) const {
    if (!space_) refuse_undefined();
    return tensors_[static_cast<std::size_t>(tensor)];
  }
  std::span<const Var> vars() const { return tensors_; }

 private:
  [[noreturn]] static void refuse_undefined();

  const Space* space_ = nullptr;
  std::span<const Var> tensors_;
};

/// A pointwise operation on every tensor. Throws TypeError naming the tensor where its group does not allow the
/// operation, or where the result would be of another type (abs of signs, roots of scales): apply it to single tensors.
Features unary(UnaryOp op, const Features& x, std::optional<double> p = {});
/// Of two features of one space; throws ShapeError for two.
Features binary(BinaryOp op, const Features& a, const Features& b);

#define WEFT_FUNCTION(Op, function)                                                \
  inline Features function(const Features& x) { return unary(UnaryOp::Op, x); }    \
  template <std::convertible_to<double> P>                                         \
  requires(parameter_of<Op>().taken()) Features function(const Features& x, P p) { \
    return unary(UnaryOp::Op, x, static_cast<double>(p));                          \
  }
WEFT_UNARY_OPS(WEFT_FUNCTION)
#undef WEFT_FUNCTION

inline Features operator+(const Features& a, const Features& b) { return binary(BinaryOp::Add, a, b); }
inline Features operator-(const Features& a, const Features& b) { return binary(BinaryOp::Sub, a, b); }
inline Features operator-(const Features& x) { return scale(x, -1); }
template <std::convertible_to<double> P>
Features operator*(const Features& x, P c) {
  return scale(x, c);
}
template <std::convertible_to<double> P>
Features operator*(P c, const Features& x) {
  return scale(x, c);
}

}  // namespace weft
