#include "weft/io/text.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace weft {
namespace {

/// Bytes of the UTF-8 character at the front of a text, after RFC 3629; 0 where none begins.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  const std::size_t length = first < 0x80                    ? 1
                             : first >= 0xc2 && first < 0xe0 ? 2
                             : first >= 0xe0 && first < 0xf0 ? 3
                             : first >= 0xf0 && first < 0xf5 ? 4
                                                             : 0;
  if (length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  // Longer than need be, a surrogate, or beyond the last character.
  const bool wrong = (first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) >= 0xa0) ||
                     (first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) >= 0x90);
  return wrong ? 0 : length;
}

/// Character by character; what `is_plain` does not take, and what is no UTF-8, as \xNN.
template <class Plain>
std::string escaped(std::string_view text, Plain is_plain) {
  std::string result;
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length > 0 && is_plain(text[0]))
      result += text.substr(0, length);
    else
      result += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[0]));
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return result;
}

}  // namespace

std::string in_quotes(std::string_view text) {
  constexpr std::size_t limit = 200;
  std::string_view shown = text.substr(0, limit);
  // Not in the middle of a UTF-8 character: drop its first bytes again.
  if (shown.size() < text.size())
    for (int i = 0; i < 3 && utf8_length(text.substr(shown.size())) == 0; ++i) shown.remove_suffix(1);
  const auto printable = [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f; };
  return "'" + escaped(shown, printable) + (shown.size() < text.size() ? "..." : "") + "'";
}

std::string_view without_sender(std::string_view message) {
  const std::size_t end = message.starts_with('[') ? message.find("] ") : std::string_view::npos;
  return end == std::string_view::npos ? message : message.substr(end + 2);
}

std::string listed(std::span<const std::string_view> names) {
  constexpr std::size_t shown = 8;
  if (names.empty()) return "none";
  std::vector<std::string> some;
  for (const auto name : names.first(std::min(shown, names.size()))) some.push_back(in_quotes(name));
  return fmt::format("{}: {}{}", names.size(), fmt::join(some, ", "), names.size() > shown ? ", ..." : "");
}

std::string utf8_text(std::string_view bytes) {
  std::string result;
  for (std::size_t begin = 0; begin <= bytes.size();) {
    const std::size_t end = std::min(bytes.find('\\', begin), bytes.size());
    result += escaped(bytes.substr(begin, end - begin), [](char) { return true; });
    if (end < bytes.size()) result += "\\\\";
    begin = end + 1;
  }
  return result;
}

std::string bytes_of_text(std::string_view text) {
  std::string bytes;
  while (!text.empty()) {
    unsigned char byte = 0;
    if (text.starts_with("\\\\")) {
      bytes += '\\';
      text.remove_prefix(2);
    } else if (text.starts_with("\\x") && text.size() >= 4 &&
               std::from_chars(text.data() + 2, text.data() + 4, byte, 16).ptr == text.data() + 4) {
      bytes += static_cast<char>(byte);
      text.remove_prefix(4);
    } else {
      bytes += text[0];
      text.remove_prefix(1);
    }
  }
  return bytes;
}

}  // namespace weft
