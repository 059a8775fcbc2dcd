#include <algorithm>

#include "weft/groups/lexer.h"
#include "weft/groups/space.h"

namespace weft {
namespace {

Kind kind(Lexer& in) {
  const std::string text = in.name("as kind (fixed, permutation, positive_monomial, sign_monomial, GL)");
  for (Kind k : all_kinds)
    if (text == name(k)) return k;
  throw ParseError("[space] line {}: kind '{}'; allowed: fixed, permutation, positive_monomial, sign_monomial, GL",
                   in.line(), text);
}

/// declaration := name ("," name)* ":" kind "(" n ")" ["per" head], the first name already read.
void declaration(Lexer& in, std::string first, std::vector<Factor>& factors) {
  std::vector<std::string> names{std::move(first)};
  while (in.take(",")) names.push_back(in.name("of a factor"));
  in.expect(":", "behind the names of factors");
  Factor f;
  f.kind = kind(in);
  in.expect("(", "before a factor's size");
  f.size = in.integer("as a factor's size");
  in.expect(")", "behind a factor's size");
  if (in.peek("per ") || in.peek("per\t") || in.peek("per\n")) {
    in.take("per");
    f.per = in.name("of the head factor");
  }
  for (std::string& n : names) {
    f.name = std::move(n);
    factors.push_back(f);
  }
}

/// tensor := name ["[" axis ("," axis)* ["; taps=" kh "x" kw] "]"], the name already read.
SpaceTensor parse_tensor(Lexer& in, std::string name, const std::vector<Factor>& factors) {
  SpaceTensor t{std::move(name), {}};
  if (!in.take("[")) return t;
  do {
    const std::string axis = in.name("of an axis");
    const auto f = std::find_if(factors.begin(), factors.end(), [&](const Factor& x) { return x.name == axis; });
    if (f == factors.end())
      throw ParseError("[space] line {}: tensor '{}' has an axis '{}', which is not declared", in.line(), t.name, axis);
    t.axes.push_back({static_cast<int>(f - factors.begin()), in.take("*") ? Role::covector : Role::vector});
  } while (in.take(","));
  if (in.take(";")) {
    in.expect("taps", "behind ';' in a tensor");
    in.expect("=", "behind 'taps'");
    t.tap_rows = in.integer("of tap rows");
    in.expect("x", "between tap rows and columns");
    t.tap_columns = in.integer("of tap columns");
  }
  in.expect("]", "behind a tensor's axes");
  return t;
}

}  // namespace

Space Space::parse(std::string_view text) {
  Lexer in(text, "space", false);
  std::vector<Factor> factors;
  std::vector<SpaceTensor> tensors;
  while (!in.done()) {
    std::string name = in.name("of a factor or tensor");
    if (tensors.empty() && (in.peek(":") || in.peek(","))) {
      declaration(in, std::move(name), factors);
      in.take(";");
    } else {
      tensors.push_back(parse_tensor(in, std::move(name), factors));
    }
  }
  if (tensors.empty()) in.fail("expected at least one tensor");
  return Space(std::move(factors), std::move(tensors));
}

}  // namespace weft
