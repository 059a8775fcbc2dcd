#include "weft/groups/space_grammar.h"

#include <algorithm>

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

FactorKind kind(Lexer& in) {
  const FactorKind* found = nullptr;
  const auto is_kind = [&](const std::string& text) {
    found = std::find_if(std::begin(all_kinds), std::end(all_kinds), [&](FactorKind k) { return text == k->name; });
    return found != std::end(all_kinds);
  };
  if (take_name(in, is_kind)) return *found;
  std::string names;
  for (const FactorKind k : all_kinds) names += (names.empty() ? "" : ", ") + std::string(k->name);
  in.fail(fmt::format("expected a kind ({})", names));
}

/// character := factor ["*" | "^" ["-"] integer]
FactorDegree character(Lexer& in, const std::string& tensor, const std::vector<Factor>& factors) {
  FactorDegree c;
  const auto is_factor = [&](const std::string& name) { return (c.factor = position_of(factors, name)) >= 0; };
  if (!take_name(in, is_factor)) in.fail(fmt::format("expected a declared factor as axis of tensor '{}'", tensor));
  if (in.take("*")) {
    c.degree = -1;
  } else if (in.take("^")) {
    const int sign = in.take("-") ? -1 : 1;
    c.degree = sign * static_cast<int>(in.integer("as a degree"));
  }
  return c;
}

}  // namespace

bool take_word(Lexer& in, std::string_view word) {
  return take_name(in, [&](const std::string& text) { return text == word; });
}

void parse_declaration(Lexer& in, std::string first, const std::function<std::int64_t(Lexer&)>& size,
                       std::vector<Factor>& factors) {
  std::vector<std::string> names{std::move(first)};
  while (in.take(",")) names.push_back(in.name("of a factor"));
  in.expect(":", "behind the names of factors");
  Factor f;
  f.kind = kind(in);
  in.expect("(", "before a factor's size");
  f.size = size(in);
  in.expect(")", "behind a factor's size");
  if (take_word(in, "per")) f.per = in.name("of the head factor");
  if (take_word(in, "along")) f.along = in.name("of the factor whose places it scales");
  for (std::string& n : names) {
    f.name = std::move(n);
    factors.push_back(f);
  }
}

SpaceAxis parse_axis(Lexer& in, const std::string& tensor, const std::vector<Factor>& factors) {
  std::vector<FactorDegree> characters;
  do characters.push_back(character(in, tensor, factors));
  while (in.take("&"));
  const int first = characters[0].factor, degree = characters[0].degree;
  const std::string& along = factors[static_cast<std::size_t>(first)].along;
  // An undeclared root is reported by the space.
  const int root = along.empty() ? first : std::max(0, position_of(factors, along));
  const bool by_role = characters.size() == 1 && root == first && (degree == 1 || degree == -1);
  if (by_role) return {root, degree == 1 ? AxisRole::vector : AxisRole::covector};
  return {root, AxisRole::vector, std::move(characters)};
}

void parse_taps(Lexer& in, std::int64_t& rows, std::int64_t& columns) {
  in.expect("taps", "behind ';' in a tensor");
  in.expect("=", "behind 'taps'");
  rows = in.integer("of tap rows");
  in.expect("x", "between tap rows and columns");
  columns = in.integer("of tap columns");
}

}  // namespace weft
