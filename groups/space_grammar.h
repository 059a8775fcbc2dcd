#pragma once
// What the texts of spaces and of files have in common (spec 8.1, 8.6): declarations of factors, and axes over them.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "weft/groups/lexer.h"
#include "weft/groups/space.h"

namespace weft {

/// Passes the word if it is next, and not the beginning of a longer name.
bool take_word(Lexer& in, std::string_view word);

/// declaration := name ("," name)* ":" kind "(" size ")" ["per" head] ["along" root], the first name already read and
/// the size read by `size`; one factor for each name.
void parse_declaration(Lexer& in, std::string first, const std::function<std::int64_t(Lexer&)>& size,
                       std::vector<Factor>& factors);

/// axis := character ("&" character)*, of the tensor of that name.
SpaceAxis parse_axis(Lexer& in, const std::string& tensor, const std::vector<Factor>& factors);

/// taps := "taps=" rows "x" columns, behind the ';' of a tensor.
void parse_taps(Lexer& in, std::int64_t& rows, std::int64_t& columns);

}  // namespace weft
