#include "weft/networks/files/expression.h"

#include <algorithm>
#include <cmath>

#include "weft/core/error.h"

namespace weft {
namespace {

using Operation = Expression::Operation;

/// "a number", for messages.
std::string kind_of(const Json& value) {
  if (value.boolean()) return "a truth value";
  if (value.text()) return fmt::format("the text \"{}\"", *value.text());
  if (value.list()) return "a list";
  if (value.object()) return "an object";
  if (value.number()) return value.dump();
  return "null";
}

class Computer {
 public:
  Computer(const Meaning& meaning, const std::string& where) : meaning_(meaning), where_(where) {}

  Expression operator()(const Expression& e) const {
    switch (e.operation) {
      case Operation::literal:
        return e;
      case Operation::name:
        return meaning_(e.name).value_or(e);
      case Operation::element:
        return element(e);
      case Operation::otherwise: {
        const Expression first = (*this)(e.parts[0]);
        const bool absent = !first.known() || first.value == Json();
        return absent ? (*this)(e.parts[1]) : first;
      }
      case Operation::either:
      case Operation::both:
        return connected(e);
      default:
        break;
    }
    Expression out{e.operation, {}, {}, {}};
    for (const Expression& part : e.parts) out.parts.push_back((*this)(part));
    if (!std::all_of(out.parts.begin(), out.parts.end(), [](const Expression& p) { return p.known(); })) return out;
    if (e.operation == Operation::inverse) return Expression::of(!holds(out.parts[0].value));
    return Expression::of(binary(e, out.parts[0].value, out.parts[1].value));
  }

 private:
  template <class... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> why, Args&&... args) const {
    throw ParseError("{}: {}", where_, fmt::format(why, std::forward<Args>(args)...));
  }

  Expression element(const Expression& e) const {
    const Expression list = (*this)(e.parts[0]), at = (*this)(e.parts[1]);
    const Expression left{Operation::element, {}, {}, {list, at}};
    if (!list.known() || !at.known()) return meaning_(left.str()).value_or(left);
    const auto* items = list.value.list();
    if (!items) fail("'{}' is {}; allowed before '[': a list", e.parts[0].str(), kind_of(list.value));
    const auto position = at.whole();
    const auto size = static_cast<std::int64_t>(items->size());
    if (!position || *position < -size || *position >= size)
      fail("'{}' has {} items, and none at {}", e.parts[0].str(), size, at.value.dump());
    return Expression::of((*items)[static_cast<std::size_t>(*position < 0 ? *position + size : *position)]);
  }

  /// `a or b` is a where that holds, else b; `and` the other way. A truth value that decides needs no other side.
  Expression connected(const Expression& e) const {
    const bool deciding = e.operation == Operation::either;
    const Expression a = (*this)(e.parts[0]);
    if (a.known()) return holds(a.value) == deciding ? a : (*this)(e.parts[1]);
    const Expression b = (*this)(e.parts[1]);
    const bool* truth = b.known() ? b.value.boolean() : nullptr;
    if (truth && *truth == deciding) return b;
    return {e.operation, {}, {}, {a, b}};
  }

  /// A truth value counts as 0 or 1.
  static Json counted(const Json& value) {
    const bool* truth = value.boolean();
    return truth ? Json(std::int64_t{*truth}) : value;
  }

  Json binary(const Expression& e, const Json& left, const Json& right) const {
    const Operation operation = e.operation;
    const Json a = counted(left), b = counted(right);
    if (operation == Operation::equal) return a == b;
    if (operation == Operation::unequal) return !(a == b);
    for (const Json* side : {&a, &b})
      if (!side->number()) fail("'{}' is an operation on {}; allowed: numbers", e.str(), kind_of(*side));
    if (operation == Operation::less) return *a.number() < *b.number();
    if (operation == Operation::at_most) return *a.number() <= *b.number();
    const auto m = a.whole(), n = b.whole();
    const bool divides = operation == Operation::quotient || operation == Operation::remainder;
    if (divides && *b.number() == 0) fail("'{}' is {} divided by 0", e.str(), a.dump());
    if (!m || !n) return real(operation, *a.number(), *b.number());
    std::int64_t out = 0;
    bool beyond = false;
    if (operation == Operation::plus) beyond = __builtin_add_overflow(*m, *n, &out);
    if (operation == Operation::minus) beyond = __builtin_sub_overflow(*m, *n, &out);
    if (operation == Operation::times) beyond = __builtin_mul_overflow(*m, *n, &out);
    if (divides) beyond = *n == -1 && *m == INT64_MIN;
    if (beyond) fail("a result of {} and {} is beyond 64 bits", *m, *n);
    // Rounded down, so that the remainder has the divisor's sign.
    if (divides) {
      const std::int64_t rest = *m % *n, down = rest != 0 && (rest < 0) != (*n < 0);
      out = operation == Operation::quotient ? *m / *n - down : rest + down * *n;
    }
    return out;
  }

  /// A config's fractions: what is divided is rounded down to a whole number.
  Json real(Operation operation, double a, double b) const {
    if (operation == Operation::plus) return a + b;
    if (operation == Operation::minus) return a - b;
    if (operation == Operation::times) return a * b;
    const double down = std::floor(a / b);
    if (operation == Operation::remainder) return a - down * b;
    if (!(std::abs(down) < 0x1p53)) fail("{} divided by {} is beyond 53 bits", a, b);
    return static_cast<std::int64_t>(down);
  }

  const Meaning& meaning_;
  const std::string& where_;
};

int occurrences(const Expression& e, const std::string& name) {
  if (e.operation <= Operation::element) return e.str() == name;
  int n = 0;
  for (const Expression& part : e.parts) n += occurrences(part, name);
  return n;
}

/// Of an expression in which the name stands once.
std::optional<std::int64_t> turned_around(const Expression& e, const std::string& name, std::int64_t target) {
  if (e.operation <= Operation::element) return target >= 0 ? std::optional(target) : std::nullopt;
  if (e.parts.size() != 2) return {};
  const bool first = occurrences(e.parts[0], name) == 1;
  const Expression& open = e.parts[first ? 0 : 1];
  const auto other = e.parts[first ? 1 : 0].whole();
  if (!other) return {};
  std::int64_t next = 0;
  if (e.operation == Operation::plus && !__builtin_sub_overflow(target, *other, &next))
    return turned_around(open, name, next);
  if (e.operation == Operation::minus &&
      !(first ? __builtin_add_overflow(target, *other, &next) : __builtin_sub_overflow(*other, target, &next)))
    return turned_around(open, name, next);
  if (e.operation == Operation::times && *other > 0 && target % *other == 0)
    return turned_around(open, name, target / *other);
  return {};
}

}  // namespace

Expression computed(const Expression& e, const Meaning& meaning, const std::string& where) {
  return Computer(meaning, where)(e);
}

bool holds(const Json& value) {
  if (const bool* truth = value.boolean()) return *truth;
  if (const auto number = value.number()) return *number != 0;
  if (const auto* text = value.text()) return !text->empty();
  if (const auto* list = value.list()) return !list->empty();
  return value.object() != nullptr;
}

std::size_t size_of(const Expression& e) {
  std::size_t n = 1;
  for (const Expression& part : e.parts) n += size_of(part);
  return n;
}

std::vector<std::string> names_of(const Expression& e) {
  std::vector<std::string> out;
  if (e.operation == Operation::name || e.operation == Operation::element) return {e.str()};
  for (const Expression& part : e.parts)
    for (std::string& name : names_of(part))
      if (std::find(out.begin(), out.end(), name) == out.end()) out.push_back(std::move(name));
  return out;
}

std::optional<std::int64_t> solved_for(const Expression& e, const std::string& name, std::int64_t target, bool trying) {
  if (occurrences(e, name) == 1)
    if (const auto value = turned_around(e, name, target)) return value;
  if (!trying) return {};
  // Squares and what is rounded are found by trying.
  constexpr std::int64_t most = 1 << 16;
  std::optional<std::int64_t> found;
  for (std::int64_t x = 0; x <= std::min(target, most); ++x) {
    const Meaning meaning = [&](const std::string& n) {
      return n == name ? std::optional(Expression::of(x)) : std::nullopt;
    };
    try {
      if (computed(e, meaning, "").whole() != target) continue;
    } catch (const ParseError&) {
      continue;
    }
    if (found) return {};
    found = x;
  }
  return found;
}

}  // namespace weft
