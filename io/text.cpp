#include "weft/io/text.h"

#include <algorithm>

#include <fmt/format.h>

namespace weft {

std::string in_quotes(std::string_view text) {
  constexpr std::size_t limit = 200;
  const std::string_view shown = text.substr(0, limit);
  std::string result = "'";
  for (char c : shown) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      result += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    else
      result += c;
  }
  if (shown.size() < text.size()) {
    // Not in the middle of a UTF-8 character: drop its first bytes again.
    while (!result.empty() && (result.back() & 0xc0) == 0x80) result.pop_back();
    if (!result.empty() && (result.back() & 0xc0) == 0xc0) result.pop_back();
    result += "...";
  }
  return result + "'";
}

}  // namespace weft
