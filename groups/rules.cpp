#include "weft/groups/rules.h"

#include <fmt/format.h>

#include "weft/core/error.h"

namespace weft {
namespace {

constexpr const char* moves = "{op} along an axis that moves; only a fixed axis keeps its places";
constexpr const char* no_sum_scale =
    "{op} adds entries with different scales; contract with a covector of the same factor";
constexpr const char* no_sum_sign =
    "{op} adds entries with different signs; contract with another sign axis of the same factor, or take abs first";
constexpr const char* no_sum_GL = "{op} over an axis that GL mixes; contract with a covector of the same factor";
constexpr const char* no_cast_scale =
    "{op} would repeat one value over entries that scale differently; multiply by a feature of that axis";
constexpr const char* no_cast_sign =
    "{op} would repeat one value over entries whose signs differ; multiply by a feature of that axis";
constexpr const char* no_cast_GL = "{op} would repeat one value along an axis that GL mixes";
constexpr const char* not_homogeneous = "{op} is not homogeneous; use relu or leaky_relu";
constexpr const char* not_odd = "{op} is not odd; use tanh or sin, or take abs first";
constexpr const char* none_GL = "no pointwise function commutes with GL, {op} neither; contract the axis first";
constexpr const char* mix_scale =
    "{op} does not commute with scaling; normalise over the channels first, or contract the axis";
constexpr const char* mix_sign = "{op} does not commute with signs; take abs first, or contract the axis";
constexpr const char* mix_GL = "{op} does not commute with GL; contract the axis first";
constexpr const char* bias_scale = "{op}: a constant does not scale; add a feature of that axis";
constexpr const char* bias_sign = "{op}: a constant does not change sign; add a feature of that axis";
constexpr const char* bias_GL = "{op}: a constant does not transform by GL; add a feature of that axis";
constexpr const char* norm_GL = "{op}: GL changes norms; contract the axis first";

struct Row {
  Action action;
  const char* reason[5];  ///< fixed, permutation, positive_monomial, sign_monomial, GL; null where it is allowed
};

// Spec 1.5, line by line.
constexpr Row table[] = {
    {Action::reduce, {nullptr, nullptr, no_sum_scale, no_sum_sign, no_sum_GL}},
    {Action::broadcast, {nullptr, nullptr, no_cast_scale, no_cast_sign, no_cast_GL}},
    {Action::mix, {nullptr, nullptr, mix_scale, mix_sign, mix_GL}},
    {Action::select, {nullptr, moves, moves, moves, moves}},
    {Action::absolute, {nullptr, nullptr, nullptr, nullptr, none_GL}},
    {Action::normalise, {nullptr, nullptr, nullptr, nullptr, norm_GL}},
    {Action::scale, {nullptr, nullptr, nullptr, nullptr, nullptr}},
    {Action::pointwise_any, {nullptr, nullptr, not_homogeneous, not_odd, none_GL}},
    {Action::pointwise_odd, {nullptr, nullptr, not_homogeneous, nullptr, none_GL}},
    {Action::pointwise_homogeneous, {nullptr, nullptr, nullptr, not_odd, none_GL}},
    {Action::channel_mix, {nullptr, nullptr, nullptr, nullptr, nullptr}},
    {Action::add_constant, {nullptr, nullptr, bias_scale, bias_sign, bias_GL}},
};

}  // namespace

std::string_view refusal(Action action, Kind kind) {
  for (const Row& row : table)
    if (row.action == action) {
      const char* reason = row.reason[static_cast<int>(kind)];
      return reason ? reason : std::string_view{};
    }
  return {};
}

std::string at_axis(std::string_view op, std::string_view tensor, const Type& type, int axis) {
  const Axis& a = type[axis];
  if (!a.factor) return fmt::format("[{}] tensor '{}', axis {} (free)", op, tensor, axis);
  return fmt::format("[{}] tensor '{}', axis {} '{}' ({})", op, tensor, axis, a.str(), a.factor->str());
}

void require(Action action, std::string_view op, std::string_view tensor, const Type& type, int axis) {
  if (!type[axis].factor) return;
  std::string reason(refusal(action, type[axis].kind));
  if (action == Action::reduce && reason.empty())
    for (int i = 0; i < type.size(); ++i)
      if (i != axis && type.head_of(i) == axis)
        reason = fmt::format("axis '{}' is per {}, which the sum would forget; contract it first", type[i].str(),
                             type[axis].factor->name);
  if (reason.empty()) return;
  if (const auto at = reason.find("{op}"); at != std::string::npos) reason.replace(at, 4, op);
  throw TypeError("{}: {}", at_axis(op, tensor, type, axis), reason);
}

void require(Action action, std::string_view op, std::string_view tensor, const Type& type) {
  for (int i = 0; i < type.size(); ++i) require(action, op, tensor, type, i);
}

void require_equal(std::string_view op, std::string_view a_name, const Type& a, std::string_view b_name,
                   const Type& b) {
  if (a == b) return;
  if (a.free() != b.free() || a.size() != b.size())
    throw TypeError("[{}] tensor '{}' has type {}, tensor '{}' {}; both must transform alike", op, a_name, a.str(),
                    b_name, b.str());
  for (int i = 0; i < a.size(); ++i) {
    if (a[i] == b[i]) continue;
    if (!a[i].same_factor(b[i]))
      throw TypeError("{}: axis '{}' of tensor '{}' stands against it; both must transform alike",
                      at_axis(op, a_name, a, i), b[i].str(), b_name);
    throw TypeError(
        "{}: '{}' of tensor '{}' is its dual, as a gradient is of its weight (it transforms by g^-T), and no metric "
        "that turns one into the other is "
        "invariant under {}; contract them, or take plain tensors where a metric is chosen, as an optimiser does",
        at_axis(op, a_name, a, i), b[i].str(), b_name, a[i].factor->name);
  }
}

void require_contractible(std::string_view op, std::string_view a_name, const Type& a, int i, std::string_view b_name,
                          const Type& b, int j) {
  const Axis &x = a[i], &y = b[j];
  if (x.kind == Kind::fixed && y.kind == Kind::fixed) return;  // nothing moves, whatever the names
  if (!x.same_factor(y))
    throw TypeError("{}: contracted with axis {} '{}' ({}) of tensor '{}'; allowed: the same factor",
                    at_axis(op, a_name, a, i), j, y.str(), y.factor->str(), b_name);
  if (!orthogonal(x.kind) && x.role == y.role)
    throw TypeError(
        "{}: contracted with axis {} '{}' of tensor '{}' in the same role; allowed: a vector with a covector",
        at_axis(op, a_name, a, i), j, y.str(), b_name);
}

}  // namespace weft
