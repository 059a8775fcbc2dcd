#include "weft/groups/space_grammar.h"

namespace weft {
namespace {

/// An axis of this many places that no factor moves: of one factor for each number of them.
SpaceAxis anonymous(Lexer& in, std::int64_t size, std::vector<Factor>& factors) {
  const Factor own = fixed_places(size);
  const int factor = take_up(factors, own);
  if (factor < 0)
    in.fail(fmt::format("an axis of {} places needs a factor '{}', which is {}; rename that one", size, own.name,
                        factors[static_cast<std::size_t>(position_of(factors, own.name))].str()));
  return {factor, AxisRole::vector};
}

/// axis := character ("&" character)* | integer
SpaceAxis axis(Lexer& in, const std::string& tensor, std::vector<Factor>& factors) {
  if (in.at_digit()) return anonymous(in, in.integer("of places"), factors);
  return parse_axis(in, tensor, factors);
}

/// tensor := name ["[" axis ("," axis)* ["; taps=" kh "x" kw] "]"], the name already read.
SpaceTensor parse_tensor(Lexer& in, std::string name, std::vector<Factor>& factors) {
  SpaceTensor t{std::move(name), {}};
  if (!in.take("[")) return t;
  do t.axes.push_back(axis(in, t.name, factors));
  while (in.take(","));
  if (in.take(";")) parse_taps(in, t.tap_rows, t.tap_columns);
  in.expect("]", "behind a tensor's axes");
  return t;
}

}  // namespace

Space Space::parse(std::string_view text) {
  Lexer in(text, "space", false);
  const auto size = [](Lexer& at) { return at.integer("as a factor's size"); };
  std::vector<Factor> factors;
  std::vector<SpaceTensor> tensors;
  while (!in.done()) {
    std::string name = in.name("of a factor or tensor");
    if (in.peek(":") || in.peek(",")) {
      parse_declaration(in, std::move(name), size, factors);
      in.take(";");
    } else {
      tensors.push_back(parse_tensor(in, std::move(name), factors));
    }
  }
  if (tensors.empty()) in.fail("expected at least one tensor");
  return Space(std::move(factors), std::move(tensors));
}

}  // namespace weft
