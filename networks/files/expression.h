#pragma once
// What templates of architectures compute from the names of a config.json (spec 8.7). A name that nothing is known of
// stays in the expression, until the shapes of a file's tensors tell it.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "weft/groups/lexer.h"
#include "weft/io/json.h"

namespace weft {

struct Expression {
  enum class Operation : std::uint8_t {
    literal,
    name,
    element,  ///< of a list
    otherwise,
    either,
    both,
    inverse,
    equal,
    unequal,
    less,
    at_most,
    plus,
    minus,
    times,
    quotient,
    remainder
  };

  Operation operation = Operation::literal;
  Json value = {};  ///< of a literal
  /// "hidden_size", "text_config.hidden_size"; of a file's tensor b: "present b", "rank b", "shape b"
  std::string name = {};
  std::vector<Expression> parts = {};

  static Expression of(Json value) { return {Operation::literal, std::move(value)}; }
  static Expression times(Expression a, Expression b) {
    return {Operation::times, {}, {}, {std::move(a), std::move(b)}};
  }
  static Expression plus(Expression a, Expression b) { return {Operation::plus, {}, {}, {std::move(a), std::move(b)}}; }

  /// The value of a literal, or null.
  const Json* known() const { return operation == Operation::literal ? &value : nullptr; }
  /// The whole number that a literal is.
  std::optional<std::int64_t> whole() const { return known() ? value.whole() : std::nullopt; }
  /// As it is read, with parentheses around all that has parts.
  std::string str() const;
};

/// expression := or ("?" or)*, the first that is neither null nor unknown; `or`, `and`, `not`, comparisons, `+ -`,
/// `* // %`, in this order, each binding tighter; numbers, "texts", true, false, null, names, name[expression],
/// present("tensor"), rank("tensor"), shape("tensor")[expression] and parentheses. Reads to where it ends. Throws
/// ParseError.
Expression parse_expression(Lexer& in);

/// What a name stands for, or nothing.
using Meaning = std::function<std::optional<Expression>(const std::string& name)>;

/// With all that is known computed: a literal, or what is left with unknown names. `where` begins the message of the
/// ParseError that it throws for a division by 0, numbers beyond 64 bits, and operations on what is no number.
Expression computed(const Expression& e, const Meaning& meaning, const std::string& where);

/// Whether a condition holds: not for null, false, 0, and empty texts and lists.
bool holds(const Json& value);

/// Of how many parts an expression is.
std::size_t size_of(const Expression& e);

/// The names of an expression, each once: "labels", "hidden_sizes[1]".
std::vector<std::string> names_of(const Expression& e);

/// The only whole number from 0 on that `name` can be where the expression, of that name alone, is `target`; nothing
/// where there is none, or several, or where the name stands more than once and `trying`, which is slow, is not
/// allowed.
std::optional<std::int64_t> solved_for(const Expression& e, const std::string& name, std::int64_t target,
                                       bool trying = true);

}  // namespace weft
