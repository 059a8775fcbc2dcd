#pragma once

#include <string>
#include <string_view>

namespace weft {

/// 'text' for an error message: control characters as \xNN, and shortened, since names in a hostile file may be long.
std::string in_quotes(std::string_view text);

}  // namespace weft
