#include "weft/groups/rules.h"

#include <fmt/format.h>

#include "weft/core/error.h"

namespace weft {
namespace {

void replace(std::string& text, std::string_view what, std::string_view by) {
  if (const auto at = text.find(what); at != std::string::npos) text.replace(at, what.size(), by);
}

/// The kind, with what an action leaves of it where that is another.
std::string allowed(Action action, FactorKind kind) {
  const bool signs = action == Action::absolute && kind->has_signs(),
             magnitudes = action == Action::normalise && kind->has_magnitudes();
  if (!signs && !magnitudes) return kind->name;
  const FactorKind left = effective_kind(kind, kind->has_signs() && !signs, kind->has_magnitudes() && !magnitudes);
  return fmt::format("{} (then {})", kind->name, left->name);
}

}  // namespace

std::string refusal(Action action, FactorKind kind, std::string_view op) {
  const char* reason = kind->refusals[static_cast<std::size_t>(action)];
  std::string text = reason ? reason : "";
  replace(text, "{op}", op);
  replace(text, "{kind}", kind->name);
  return text;
}

std::string rule_table() {
  std::string text;
  for (const auto& [action, words] : all_actions) {
    text += fmt::format("{}\n   ", words);
    for (const FactorKind kind : all_kinds)
      if (refusal(action, kind, "").empty()) text += " " + allowed(action, kind);
    text += "\n";
  }
  return text;
}

std::string at_axis(std::string_view op, std::string_view tensor, const Type& type, int axis) {
  const Axis& a = type[axis];
  if (!a.factor) return fmt::format("[{}] tensor '{}', axis {} (free)", op, tensor, axis);
  std::string factors = a.factor->str();
  for (const Character& c : a.characters())
    if (c.factor != a.factor) factors += fmt::format("; {}: {}", c.factor->name, c.factor->str());
  return fmt::format("[{}] tensor '{}', axis {} '{}' ({})", op, tensor, axis, a.str(), factors);
}

void require(Action action, std::string_view op, std::string_view tensor, const Type& type, int axis) {
  if (!type[axis].factor) return;
  const std::string reason = refusal(action, type[axis].kind(), op);
  if (!reason.empty()) throw TypeError("{}: {}", at_axis(op, tensor, type, axis), reason);
}

void require_along(Action action, std::string_view op, std::string_view tensor, const Type& type, int axis) {
  require(action, op, tensor, type, axis);
  for (int i = 0; i < type.size(); ++i)
    if (i != axis && type.head_of(i) == axis)
      throw TypeError("{}: axis '{}' is per {}, which {} would forget; contract it first",
                      at_axis(op, tensor, type, axis), type[i].str(), type[axis].factor->name, op);
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
    if (!(a[i] == b[i].dual()))
      throw TypeError("{}: axis '{}' of tensor '{}' stands against it; both must transform alike",
                      at_axis(op, a_name, a, i), b[i].str(), b_name);
    throw TypeError(
        "{}: '{}' of tensor '{}' is its dual, as a gradient is of its weight (it transforms by g^-T), and no metric "
        "that turns one into the other is "
        "invariant under {}; contract them, or take plain tensors where a metric is chosen, as an optimiser does",
        at_axis(op, a_name, a, i), b[i].str(), b_name, a[i].factor->name);
  }
}

Axis multiplied(std::string_view op, std::string_view a_name, const Type& a, int i, std::string_view b_name,
                const Type& b, int j) {
  if (!a[i].same_root(b[j]))
    throw TypeError("{}: kept together with axis {} '{}' of '{}'; both must transform alike", at_axis(op, a_name, a, i),
                    j, b[j].str(), b_name);
  require(Action::multiply, op, a_name, a, i);
  if (const std::string& x = a[i].per(), &y = b[j].per(); !x.empty() && !y.empty() && x != y)
    throw TypeError(
        "{}: multiplied with axis {} '{}' of '{}', which is per {}, not per {}; allowed: copies of one factor",
        at_axis(op, a_name, a, i), j, b[j].str(), b_name, y, x);
  return a[i].times(b[j]);
}

void require_contractible(std::string_view op, std::string_view a_name, const Type& a, int i, std::string_view b_name,
                          const Type& b, int j) {
  const Axis &x = a[i], &y = b[j];
  if ((!x.moves() && !y.moves()) || x.contracts(y)) return;  // of fixed axes nothing moves, whatever the names
  if (!x.same_root(y))
    throw TypeError("{}: contracted with axis {} '{}' ({}) of tensor '{}'; allowed: the same factor",
                    at_axis(op, a_name, a, i), j, y.str(), y.factor->str(), b_name);
  if (x == y)
    throw TypeError(
        "{}: contracted with axis {} '{}' of tensor '{}' in the same role; allowed: a vector with a covector",
        at_axis(op, a_name, a, i), j, y.str(), b_name);
  throw TypeError("{}: contracted with axis {} '{}' of tensor '{}'; allowed: degrees that cancel",
                  at_axis(op, a_name, a, i), j, y.str(), b_name);
}

}  // namespace weft
