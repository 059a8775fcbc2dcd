#include "weft/ops/family_cases.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>

#include <fmt/format.h>

#include "weft/groups/rules.h"
#include "weft/groups/space.h"
#include "weft/ops/pointwise.h"
#include "weft/ops/rows.h"

namespace weft {
namespace {

/// One axis of a kind in every role: tensors V[h] and C[h*], and of what scales S[h^2] and Z[h^0].
struct OfKind {
  FactorKind kind;
  bool covector;

  std::string tensor() const { return covector ? "C" : "V"; }
  std::string space() const {
    const bool scales = kind->scales != Scales::none;
    return fmt::format("h: {} V[h] C[h*]{}", kind->example,
                       scales ? covector ? " S[h^-2] Z[h^0]" : " S[h^2] Z[h^0]" : "");
  }
  std::string refusal(const std::string& op, Action action) const {
    const std::string reason = weft::refusal(action, kind, op);
    if (reason.empty()) return reason;
    return fmt::format("[{}] tensor '{}', axis 0 'h{}' ({}): {}", op, tensor(), covector ? "*" : "", kind->example,
                       reason);
  }
  /// As what the result of an allowed action transforms; nothing where no axis of a space does.
  std::optional<std::string> result(Action action, const std::string& product) const {
    const bool signs = kind->has_signs(), magnitudes = kind->has_magnitudes();
    if (action == Action::multiply) return kind->scales == Scales::none ? tensor() : product;
    const bool forgets = (action == Action::absolute && signs) || (action == Action::normalise && magnitudes);
    if (!forgets) return tensor();
    return signs && magnitudes ? std::nullopt : std::optional<std::string>("Z");
  }
};

std::vector<OfKind> of_kinds() {
  std::vector<OfKind> all;
  for (const FactorKind kind : all_kinds)
    for (const bool covector : {false, true}) all.push_back({kind, covector});
  return all;
}

Action action_of_flags(bool odd, bool homogeneous) {
  if (odd && homogeneous) return Action::scale;
  if (odd) return Action::pointwise_odd;
  return homogeneous ? Action::pointwise_homogeneous : Action::pointwise_any;
}

std::vector<double> map(const Tensor& x, const std::function<double(double)>& f) {
  std::vector<double> y;
  for (double v : x.span<double>()) y.push_back(f(v));
  return y;
}

/// The case on an axis of every kind, as the rule table has it. `product`: as what the result transforms where degrees
/// add.
void add_typed(std::vector<OpCase>& cases, const OpCase& base, const std::function<Action(FactorKind)>& action_on,
               const std::string& product = "S") {
  for (const OfKind& k : of_kinds()) {
    const Action action = action_on(k.kind);
    OpCase c = base;
    c.space = k.space();
    c.tensors.assign(std::max<std::size_t>(1, base.shapes.size()), k.tensor());
    c.shapes.clear();
    c.name = fmt::format("{} on {}{}", base.name, k.kind->name, k.covector ? "*" : "");
    c.refusal = k.refusal(base.name, action);
    const std::optional<std::string> result = c.refusal.empty() ? k.result(action, product) : k.tensor();
    if (!result) continue;  // a type that no text has: checked in ops_test
    c.result = *result;
    cases.push_back(c);
  }
}
void add_typed(std::vector<OpCase>& cases, const OpCase& base, Action action, const std::string& product = "S") {
  add_typed(
      cases, base, [action](FactorKind) { return action; }, product);
}

std::vector<OpCase> cases_of_unary(const char* name, Action action, std::span<const OpRange> ranges,
                                   const std::function<Var(const Var&)>& run,
                                   const std::function<double(double)>& reference) {
  std::vector<OpCase> cases;
  for (const OpRange& range : ranges) {
    OpCase c;
    c.name = name;
    c.range = range;
    c.run = [run](Tape&, std::span<const Var> x) { return run(x[0]); };
    c.reference = [reference](std::span<const Tensor> x) { return map(x[0], reference); };
    for (const Shape& shape : {Shape{3, 5}, Shape{0}, Shape{1}, Shape{41}}) {
      c.shapes = {shape};
      cases.push_back(c);
    }
    add_typed(cases, c, action);
  }
  return cases;
}

template <class Op>
void add_unary(std::vector<OpCase>& cases, UnaryOp op) {
  constexpr OpParameter parameter = parameter_of<Op>();
  // Not the usual one, which makes scale and add_scalar the identity, which nothing breaks.
  const double p = parameter.taken() ? parameter.usual + 0.3 : 0;
  const std::optional<double> given = parameter.taken() ? std::optional(p) : std::nullopt;
  for (OpCase& c : cases_of_unary(
           Op::name, action_of(op), Op::ranges, [op, given](const Var& x) { return unary(op, x, given); },
           [p](double x) { return Op::reference(x, p); }))
    cases.push_back(std::move(c));
}

template <class Op>
void add_binary(std::vector<OpCase>& cases, BinaryOp op) {
  OpCase c;
  c.name = Op::name;
  c.shapes = {{3, 5}, {3, 5}};
  c.run = [op](Tape&, std::span<const Var> x) { return binary(op, x[0], x[1]); };
  c.reference = [](std::span<const Tensor> x) {
    std::vector<double> y;
    for (std::int64_t i = 0; i < x[0].numel(); ++i)
      y.push_back(Op::reference(x[0].data<double>()[i], x[1].data<double>()[i]));
    return y;
  };
  if constexpr (requires { Op::range; }) c.range = Op::range;
  cases.push_back(c);
  add_typed(cases, c,
            Op::power != 0 ? Action::multiply
            : Op::linear   ? Action::scale
                           : Action::pointwise_homogeneous,
            Op::power < 0 ? "Z" : "S");
}

/// y of one row, naively.
std::vector<double> row_reference(RowOp op, const std::vector<double>& x) {
  const auto n = static_cast<double>(x.size());
  double sum = 0, top = x[0], square = 0;
  for (double v : x) sum += v, top = std::max(top, v), square += v * v;
  double exps = 0, var = 0;
  for (double v : x) exps += std::exp(v - top), var += (v - sum / n) * (v - sum / n) / n;
  if (op == RowOp::Sum) return {sum};
  if (op == RowOp::Mean) return {sum / n};
  std::vector<double> y;
  for (double v : x) {
    if (op == RowOp::Softmax)
      y.push_back(std::exp(v - top) / exps);
    else if (op == RowOp::LogSoftmax)
      y.push_back(v - top - std::log(exps));
    else if (op == RowOp::LayerNorm)
      y.push_back((v - sum / n) / std::sqrt(var + 1e-5));
    else
      y.push_back(v / std::sqrt(square));
  }
  return y;
}

std::vector<double> rows_reference(RowOp op, const Tensor& x, int axis) {
  const std::int64_t outer = x.shape().sub(0, axis).numel(), n = x.dim(axis),
                     inner = x.shape().sub(axis + 1, x.rank()).numel();
  std::vector<double> y;
  for (std::int64_t o = 0; o < outer; ++o) {
    std::vector<std::vector<double>> columns;
    for (std::int64_t i = 0; i < inner; ++i) {
      std::vector<double> row;
      for (std::int64_t k = 0; k < n; ++k) row.push_back(x.data<double>()[(o * n + k) * inner + i]);
      columns.push_back(row_reference(op, row));
    }
    for (std::size_t k = 0; k < columns[0].size(); ++k)
      for (const auto& column : columns) y.push_back(column[k]);
  }
  return y;
}

OpCase row_case(RowOp op, const Shape& shape, int axis) {
  OpCase c;
  c.name = name(op);
  c.shapes = {shape};
  c.run = [op, axis](Tape&, std::span<const Var> x) { return rows(op, x[0], axis); };
  c.reference = [op, axis](std::span<const Tensor> x) {
    return rows_reference(op, x[0], axis < 0 ? axis + x[0].rank() : axis);
  };
  return c;
}

}  // namespace

std::vector<OpCase> unary_cases(const char* name, bool odd, bool homogeneous, std::span<const OpRange> ranges,
                                std::function<Var(const Var&)> run, std::function<double(double)> reference) {
  return cases_of_unary(name, action_of_flags(odd, homogeneous), ranges, run, reference);
}

std::vector<OpCase> pointwise_cases() {
  std::vector<OpCase> cases;
#define WEFT_CASES(Op, function) add_unary<Op>(cases, UnaryOp::Op);
  WEFT_UNARY_OPS(WEFT_CASES)
#undef WEFT_CASES
#define WEFT_CASES(Op, function) add_binary<Op>(cases, BinaryOp::Op);
  WEFT_BINARY_OPS(WEFT_CASES)
#undef WEFT_CASES
  return cases;
}

std::vector<OpCase> rows_cases() {
  std::vector<OpCase> cases;
  for (int i = 0; i < static_cast<int>(RowOp::count); ++i) {
    const auto op = static_cast<RowOp>(i);
    for (const auto& [shape, axis] :
         std::vector<std::pair<Shape, int>>{{{3, 5}, -1}, {{2, 37}, 1}, {{2, 3, 4}, 1}, {{4, 2}, 0}, {{1, 1}, 1}})
      if (shape.numel() > 1 || (op != RowOp::L2Normalise))
        cases.push_back(row_case(op, shape, axis));  // the norm of one number has a kink
    // Along the typed axis, and along the channels.
    for (int axis : {2, 1}) {
      if (op == RowOp::Sum || op == RowOp::Mean) {
        if (axis == 1) continue;
        const std::size_t first = cases.size();
        add_typed(cases, row_case(op, {3, 5}, axis), Action::reduce);
        for (std::size_t k = first; k < cases.size(); ++k) cases[k].result.clear();
        continue;
      }
      add_typed(cases, row_case(op, {3, 5}, axis), [op = op, axis](FactorKind kind) {
        if (op == RowOp::L2Normalise) return axis == 1 ? Action::normalise : Action::normalise_along;
        // What is odd commutes with a sign that a whole row shares.
        return op == RowOp::LayerNorm && axis == 1 && kind->scales == Scales::sign ? Action::pointwise_odd
                                                                                   : Action::mix;
      });
    }
  }
  return cases;
}

}  // namespace weft
