#include <algorithm>

#include "weft/groups/lexer.h"
#include "weft/groups/space.h"

namespace weft {
namespace {

/// A name that `accept` takes; where it does not, `in` stays before the name, for the message.
template <class Accept>
bool take_name(Lexer& in, const Accept& accept) {
  Lexer ahead = in;
  if (!ahead.at_letter() || !accept(ahead.name(""))) return false;
  in = ahead;
  return true;
}

Kind kind(Lexer& in) {
  Kind found{};
  const bool known = take_name(in, [&](const std::string& text) {
    const auto k = std::find_if(std::begin(all_kinds), std::end(all_kinds), [&](Kind x) { return text == name(x); });
    if (k == std::end(all_kinds)) return false;
    found = *k;
    return true;
  });
  if (!known) in.fail("expected a kind (fixed, permutation, positive_monomial, sign_monomial, GL)");
  return found;
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
  if (take_name(in, [](const std::string& word) { return word == "per"; })) f.per = in.name("of the head factor");
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
    auto f = factors.end();
    const bool known = take_name(in, [&](const std::string& axis) {
      f = std::find_if(factors.begin(), factors.end(), [&](const Factor& x) { return x.name == axis; });
      return f != factors.end();
    });
    if (!known) in.fail(fmt::format("expected a declared factor as axis of tensor '{}'", t.name));
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
  bool declares = true;  // before the first declaration and behind a ';'
  while (!in.done()) {
    std::string name = in.name("of a factor or tensor");
    if (tensors.empty() && (in.peek(":") || in.peek(","))) {
      if (!declares) in.fail(fmt::format("expected ';' before the declaration of '{}'", name));
      declaration(in, std::move(name), factors);
      declares = in.take(";");
    } else {
      tensors.push_back(parse_tensor(in, std::move(name), factors));
    }
  }
  if (tensors.empty()) in.fail("expected at least one tensor");
  return Space(std::move(factors), std::move(tensors));
}

}  // namespace weft
