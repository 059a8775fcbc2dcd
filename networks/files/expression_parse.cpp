#include "weft/networks/files/expression.h"

namespace weft {
namespace {

using Operation = Expression::Operation;

/// Of parentheses: an expression is read and computed by functions that call themselves.
constexpr int max_depth = 50;
/// Of one expression: without parentheses each stands within the next.
constexpr int max_operations = 200;

class Reader {
 public:
  explicit Reader(Lexer& in) : in_(in) {}

  Expression whole() {
    if (++depth_ > max_depth) in_.fail(fmt::format("an expression more than {} deep", max_depth));
    Expression e = either();
    if (in_.take("?")) e = {Operation::otherwise, {}, {}, {std::move(e), whole()}};
    --depth_;
    return e;
  }

 private:
  /// The word if it is next, as a whole.
  bool word(std::string_view text) {
    Lexer ahead = in_;
    if (!ahead.at_letter() || ahead.path("") != text) return false;
    in_ = ahead;
    return true;
  }

  Expression join(Operation operation, Expression a, Expression b) {
    if (++operations_ > max_operations)
      in_.fail(fmt::format("an expression of more than {} operations", max_operations));
    return {operation, {}, {}, {std::move(a), std::move(b)}};
  }

  Expression either() {
    Expression e = both();
    while (word("or")) e = join(Operation::either, std::move(e), both());
    return e;
  }
  Expression both() {
    Expression e = inverse();
    while (word("and")) e = join(Operation::both, std::move(e), inverse());
    return e;
  }
  Expression inverse() {
    if (!word("not")) return comparison();
    if (++depth_ > max_depth) in_.fail(fmt::format("an expression more than {} deep", max_depth));
    Expression e{Operation::inverse, {}, {}, {inverse()}};
    --depth_;
    return e;
  }
  Expression comparison() {
    Expression a = sum();
    if (in_.take("==")) return join(Operation::equal, std::move(a), sum());
    if (in_.take("!=")) return join(Operation::unequal, std::move(a), sum());
    if (in_.take("<=")) return join(Operation::at_most, std::move(a), sum());
    if (in_.take(">=")) return join(Operation::at_most, sum(), std::move(a));
    if (in_.take("<")) return join(Operation::less, std::move(a), sum());
    if (in_.take(">")) return join(Operation::less, sum(), std::move(a));
    return a;
  }
  Expression sum() {
    Expression e = product();
    while (true) {
      if (in_.take("+"))
        e = join(Operation::plus, std::move(e), product());
      else if (in_.take("-"))
        e = join(Operation::minus, std::move(e), product());
      else
        return e;
    }
  }
  Expression product() {
    Expression e = atom();
    while (true) {
      if (in_.take("*"))
        e = join(Operation::times, std::move(e), atom());
      else if (in_.take("//"))
        e = join(Operation::quotient, std::move(e), atom());
      else if (in_.take("%"))
        e = join(Operation::remainder, std::move(e), atom());
      else
        return e;
    }
  }
  Expression atom() {
    if (in_.at_digit()) return Expression::of(in_.integer("in an expression"));
    if (in_.take("-")) return Expression::of(-in_.integer("behind '-'"));
    if (in_.peek("\"")) return Expression::of(in_.quoted("in an expression"));
    if (in_.take("(")) {
      Expression e = whole();
      in_.expect(")", "in an expression");
      return e;
    }
    if (word("true")) return Expression::of(true);
    if (word("false")) return Expression::of(false);
    if (word("null")) return Expression::of(Json());
    for (const char* question : {"present", "rank", "shape"}) {
      Lexer ahead = in_;
      if (!word(question)) continue;
      if (in_.take("(")) {
        Expression e{Operation::name, {}, std::string(question) + " " + in_.quoted("of a tensor"), {}};
        in_.expect(")", "behind a tensor's name");
        return of_list(std::move(e));
      }
      in_ = ahead;
    }
    return of_list({Operation::name, {}, in_.path("or a number in an expression"), {}});
  }
  Expression of_list(Expression e) {
    while (in_.take("[")) {
      e = join(Operation::element, std::move(e), whole());
      in_.expect("]", "behind the position in a list");
    }
    return e;
  }

  Lexer& in_;
  int depth_ = 0, operations_ = 0;
};

}  // namespace

Expression parse_expression(Lexer& in) { return Reader(in).whole(); }

std::string Expression::str() const {
  static constexpr const char* signs[] = {
      "", "", "", "?", "or", "and", "not", "==", "!=", "<", "<=", "+", "-", "*", "//", "%"};
  const auto part = [&](std::size_t i) {
    const bool simple = parts[i].operation <= Operation::element;
    return simple ? parts[i].str() : "(" + parts[i].str() + ")";
  };
  switch (operation) {
    case Operation::literal:
      return value.dump();
    case Operation::name:
      return name;
    case Operation::element:
      return fmt::format("{}[{}]", parts[0].str(), parts[1].str());
    case Operation::inverse:
      return "not " + part(0);
    default:
      return fmt::format("{} {} {}", part(0), signs[static_cast<std::size_t>(operation)], part(1));
  }
}

}  // namespace weft
