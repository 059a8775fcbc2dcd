#pragma once

#include <span>
#include <string>
#include <string_view>

namespace weft {

/// 'text' for an error message: control characters and bytes that are no UTF-8 as \xNN, and shortened, since names in a
/// hostile file may be long.
std::string in_quotes(std::string_view text);

/// An error's message without the "[who] " that it begins with: to be part of another.
std::string_view without_sender(std::string_view message);

/// How many names there are and the first of them, for a message: "9: 'W1', 'b1', ..."; "none".
std::string listed(std::span<const std::string_view> names);

/// Any bytes, such as the path of a file, as UTF-8 for a JSON file, without loss: \xNN for a byte that is no part of a
/// UTF-8 character, and \\ for a backslash.
std::string utf8_text(std::string_view bytes);
/// The bytes again. Other backslashes stay: text that nothing escaped has them, too.
std::string bytes_of_text(std::string_view text);

}  // namespace weft
