#include "weft/groups/term.h"

#include <fmt/ranges.h>

#include "weft/groups/lexer.h"

namespace weft {
namespace {

/// index := word [":" size]
std::string index(Lexer& in) {
  const std::string name = in.word("in a list of indices");
  if (!in.take(":")) return name;
  const std::int64_t size = in.integer("as the size of an index");
  if (size == 0) in.fail("expected a size of 1 or more for an index");
  return fmt::format("{}:{}", name, size);
}

/// ref := name ["[" index ("," index)* "]"]
TermRef reference(Lexer& in, const char* where) {
  TermRef ref{in.name(where), {}};
  if (!in.take("[")) return ref;
  do ref.indices.push_back(index(in));
  while (in.take(","));
  in.expect("]", "behind a list of indices");
  return ref;
}

/// product := ["mean(" index ("," index)* ")"] ref+
TermProduct product(Lexer& in) {
  TermProduct p;
  if (Lexer ahead = in; ahead.at_letter() && ahead.name("") == "mean" && ahead.take("(")) {
    in = ahead;
    do p.mean.push_back(in.word("of a mean"));
    while (in.take(","));
    in.expect(")", "behind the indices of a mean");
  }
  do p.refs.push_back(reference(in, "of a feature, let or learned tensor"));
  while (in.at_letter());
  return p;
}

std::string join(const std::vector<std::string>& items) { return fmt::format("{}", fmt::join(items, ",")); }

}  // namespace

std::string TermRef::str() const { return indices.empty() ? name : fmt::format("{}[{}]", name, join(indices)); }

std::string TermStatement::str() const {
  std::string out = left.str() + (let ? " := " : " += ");
  for (std::size_t i = 0; i < products.size(); ++i) {
    if (i) out += " + ";
    if (!products[i].mean.empty()) out += fmt::format("mean({}) ", join(products[i].mean));
    for (std::size_t k = 0; k < products[i].refs.size(); ++k) out += (k ? " " : "") + products[i].refs[k].str();
  }
  return out;
}

std::vector<TermStatement> parse_terms(std::string_view text) {
  Lexer in(text, "terms", true);
  std::vector<TermStatement> out;
  for (in.skip_lines(); !in.done(); in.skip_lines()) {
    TermStatement s;
    s.line = in.line();
    s.left = reference(in, "at the start of a statement");
    s.let = in.take(":=");
    if (!s.let) in.expect("+=", "or ':=' behind the left side");
    do s.products.push_back(product(in));
    while (s.let && in.take("+"));
    if (!in.at_line_end()) in.fail("expected the end of the statement");
    out.push_back(std::move(s));
  }
  return out;
}

bool is_learned(std::string_view name) {
  for (std::size_t begin = 0; begin <= name.size();) {
    const std::string_view part = name.substr(begin, name.find('.', begin) - begin);
    if (part.starts_with("phi") || part.starts_with("psi")) return true;
    begin += part.size() + 1;
  }
  return false;
}

}  // namespace weft
