#include "weft/nfn/graph/edges.h"

#include <array>

#include "weft/groups/rules.h"
#include "weft/nfn/graph/edge_schedule.h"
#include "weft/ops/pointwise.h"

namespace weft::graph {
namespace {

using schedule::Grad;
using schedule::gradient_address;

void check_shape(const char* who, const char* what, const Var& x, const Shape& wanted, DType dtype) {
  if (x.shape() != wanted)
    throw ShapeError("[{}] {} of shape {}; allowed: {}", who, what, x.shape().str(), wanted.str());
  if (x.dtype() != dtype)
    throw DtypeError("[{}] {} of {}; allowed: {}, as the edges", who, what, name(x.dtype()), name(dtype));
}

/// A fixed axis is as good as a free one.
void check_axis(const char* who, const Var& x, int dimension, const Axis& wanted) {
  const Axis own = x.type().of_dimension(dimension);
  if ((!own.moves() && !wanted.moves()) || own == wanted) return;
  throw TypeError("[{}] tensor '{}' of type {} has '{}' as dimension {}; allowed: '{}'", who, x.name(), x.type().str(),
                  own.str(), dimension, wanted.str());
}

/// The places of an axis, which nothing scales.
Axis unscaled(const Axis& axis) { return axis.factor ? Axis(*axis.factor) : Axis{}; }

void check(const char* who, const EdgeHidden& h) {
  if (h.x.shape().rank() != 4 || h.weight.shape().rank() != 2)
    throw ShapeError("[{}] edges of shape {}, weight of shape {}; allowed: [d, B, rows, columns], [e, d]", who,
                     h.x.shape().str(), h.weight.shape().str());
  const Shape& x = h.x.shape();
  const std::int64_t e = h.weight.shape()[0];
  const DType dtype = h.x.dtype();
  check_shape(who, "the weight", h.weight, {e, x[0]}, dtype);
  check_shape(who, "the part of the columns", h.of_columns, {e, x[1], x[3]}, dtype);
  check_shape(who, "the part of the rows", h.of_rows, {e, x[1], x[2]}, dtype);
  const Axis rows = h.x.type().of_dimension(2), columns = h.x.type().of_dimension(3);
  for (const Action action : {Action::channel_mix, action_of(UnaryOp::Relu)})
    require(action, who, h.x.name(), h.x.type());
  check_axis(who, h.of_columns, 2, unscaled(columns));
  check_axis(who, h.of_rows, 2, unscaled(rows));
  if (h.norms.defined()) {
    check_shape(who, "the norms", h.norms, {x[1], x[2], x[3]}, dtype);
    check_axis(who, h.norms, 1, rows);
    check_axis(who, h.norms, 2, columns);
  } else {
    require(Action::broadcast, who, h.x.name(), h.x.type());
  }
}

/// Inputs of a node: those of an EdgeHidden with or without norms, then others.
struct Inputs {
  std::array<Var, 8> vars;
  std::size_t count = 0;
  bool scaled;

  explicit Inputs(const EdgeHidden& h) : scaled(h.norms.defined()) {
    for (const Var& v : {h.x, h.weight, h.of_columns, h.of_rows}) add(v);
    if (scaled) add(h.norms);
  }
  void add(const Var& v) { vars[count++] = v; }
  std::span<const Var> span() const { return {vars.data(), count}; }
};

/// tensor(i): of input i.
template <class T, class F>
EdgeOperands<T> operands(const F& tensor, bool scaled) {
  const auto at = [&](int i) -> const T* { return tensor(i).template address<T>(); };
  const Shape& x = tensor(0).shape();
  return {tensor(1).dim(0), x[0], x[1], x[2], x[3], at(0), at(1), {at(2), at(3), scaled ? at(4) : nullptr}};
}

/// In the order in which the vjps write them: two of them may be of one variable.
template <class T>
EdgeGradients<T> gradients(Backward& back, bool scaled) {
  EdgeGradients<T> to;
  to.of_rows = gradient_address<T>(back, 3);
  to.of_columns = gradient_address<T>(back, 2);
  if (scaled) to.norms = gradient_address<T>(back, 4);
  to.weight = gradient_address<T>(back, 1);
  to.x = gradient_address<T>(back, 0);
  return to;
}

/// [., ., axis], or an ordinary tensor where the axis is free.
Type nodes_type(const Axis& axis) {
  if (!axis.factor) return Type::plain(3);
  Type type(2);
  type.push_back(axis);
  return type;
}

}  // namespace

Var messages(const EdgeHidden& h, const Var& weight, Receives receives) {
  constexpr const char* who = "messages";
  check(who, h);
  const bool to_rows = receives == Receives::rows, weighted = weight.defined();
  const Shape& x = h.x.shape();
  const int received = to_rows ? 2 : 3, summed = to_rows ? 3 : 2, typed = summed - h.x.type().free();
  if (x[summed] == 0)
    throw ShapeError("[{}] no nodes that send in edges of shape {}; allowed: 1 or more", who, x.str());
  if (weighted) {
    check_shape(who, "the weight of who sends", weight, {x[1], x[summed]}, h.x.dtype());
    check_axis(who, weight, 1, h.x.type().of_dimension(summed).dual());
  } else if (typed >= 0) {
    require_along(Action::reduce, who, h.x.name(), h.x.type(), typed);
  }
  Tape& tape = h.x.tape();
  const Tensor y = tape.empty({h.weight.shape()[0], x[1], x[received]}, h.x.dtype());
  Inputs in(h);
  if (weighted) in.add(weight);
  const int weight_at = static_cast<int>(in.count) - 1;
  with_float(y.dtype(), who, [&](auto tag) {
    using T = decltype(tag);
    const auto value = [&](int i) -> const Tensor& { return in.vars[static_cast<std::size_t>(i)].value(); };
    send_messages<T>(tape.arena(), operands<T>(value, in.scaled),
                     {weighted ? value(weight_at).template address<T>() : nullptr, to_rows}, y.address<T>());
  });
  return tape.record(who, y, nodes_type(h.x.type().of_dimension(received)), in.span(),
                     [to_rows, weighted, scaled = in.scaled, weight_at](Backward& back) {
                       with_float(back.cotangent().dtype(), who, [&](auto tag) {
                         using T = decltype(tag);
                         const auto value = [&](int i) -> const Tensor& { return back.input(i); };
                         const Grad<T> to_weight = weighted ? gradient_address<T>(back, weight_at) : Grad<T>{};
                         send_messages_vjp<T>(back.arena(), operands<T>(value, scaled),
                                              {weighted ? value(weight_at).template address<T>() : nullptr, to_rows},
                                              back.cotangent().address<T>(), gradients<T>(back, scaled), to_weight);
                       });
                     });
}

Var edge_update(const EdgeHidden& h, const Var& out, const Var& shift) {
  constexpr const char* who = "edge_update";
  check(who, h);
  const Shape& x = h.x.shape();
  check_shape(who, "the second weight", out, {x[0], h.weight.shape()[0]}, h.x.dtype());
  check_shape(who, "the shift", shift, {x[0]}, h.x.dtype());
  if (!h.norms.defined()) require(Action::add_constant, who, h.x.name(), h.x.type());
  Tape& tape = h.x.tape();
  const Tensor y = tape.empty(x, h.x.dtype());
  Inputs in(h);
  const int out_at = static_cast<int>(in.count);
  in.add(out);
  in.add(shift);
  with_float(y.dtype(), who, [&](auto tag) {
    using T = decltype(tag);
    const auto value = [&](int i) -> const Tensor& { return in.vars[static_cast<std::size_t>(i)].value(); };
    update_edges<T>(tape.arena(), operands<T>(value, in.scaled), out.value().address<T>(), shift.value().address<T>(),
                    y.address<T>());
  });
  return tape.record(who, y, h.x.type(), in.span(), [scaled = in.scaled, out_at](Backward& back) {
    with_float(back.cotangent().dtype(), who, [&](auto tag) {
      using T = decltype(tag);
      const auto value = [&](int i) -> const Tensor& { return back.input(i); };
      const Grad<T> to_shift = gradient_address<T>(back, out_at + 1), to_out = gradient_address<T>(back, out_at);
      update_edges_vjp<T>(back.arena(), operands<T>(value, scaled), value(out_at).template address<T>(),
                          value(out_at + 1).template address<T>(), back.cotangent().address<T>(), to_out, to_shift,
                          gradients<T>(back, scaled));
    });
  });
}

}  // namespace weft::graph
