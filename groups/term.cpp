#include "weft/groups/term.h"

#include <algorithm>

#include "weft/groups/lexer.h"

namespace weft {
namespace {

/// ref := name ["[" index ("," index)* "]"]
TermRef reference(Lexer& in, const char* where) {
  TermRef ref{in.name(where), {}};
  if (!in.take("[")) return ref;
  do ref.indices.push_back(in.word("in a list of indices"));
  while (in.take(","));
  in.expect("]", "behind a list of indices");
  return ref;
}

/// product := ["mean(" index ("," index)* ")"] ref+
TermProduct product(Lexer& in) {
  TermProduct p;
  if (in.peek("mean(") || in.peek("mean (")) {
    in.take("mean");
    in.expect("(", "behind 'mean'");
    do p.mean.push_back(in.word("of a mean"));
    while (in.take(","));
    in.expect(")", "behind the indices of a mean");
  }
  do p.refs.push_back(reference(in, "of a feature, let or learned tensor"));
  while (in.at_letter());
  return p;
}

}  // namespace

std::vector<TermStatement> parse_terms(std::string_view text) {
  Lexer in(text, "terms", true);
  std::vector<TermStatement> out;
  for (in.skip_lines(); !in.done(); in.skip_lines()) {
    TermStatement s;
    s.line = in.line();
    const std::size_t begin = in.position();
    s.left = reference(in, "at the start of a statement");
    s.let = in.take(":=");
    if (!s.let) in.expect("+=", "or ':=' behind the left side");
    do s.products.push_back(product(in));
    while (s.let && in.take("+"));
    s.text = in.between(begin);
    if (const auto comment = s.text.find('#'); comment != std::string::npos) s.text.resize(comment);
    while (!s.text.empty() && std::isspace(static_cast<unsigned char>(s.text.back()))) s.text.pop_back();
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

Shape TermParameter::shape(std::int64_t e, std::int64_t d) const {
  Shape shape;
  if (kind != ParameterKind::psi) shape.push_back(e * taps_out);
  if (kind != ParameterKind::constant) shape.push_back(d * taps_in);
  for (auto size : index_sizes) shape.push_back(size);
  return shape;
}

double TermResolved::scale() const {
  double s = 1;
  for (int i : averaged) s /= static_cast<double>(indices[static_cast<std::size_t>(i)].size);
  return s;
}

}  // namespace weft
