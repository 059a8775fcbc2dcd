#include "weft/networks/files/name_pattern.h"

#include <vector>

namespace weft {
namespace {

/// What the stars of a pattern stand for.
bool match(std::string_view pattern, std::string_view name, std::vector<std::string>& stars) {
  if (pattern.empty()) return name.empty();
  if (pattern[0] != '*')
    return !name.empty() && name[0] == pattern[0] && match(pattern.substr(1), name.substr(1), stars);
  const bool all = pattern.starts_with("**");
  for (std::size_t n = 1; n <= name.size(); ++n) {
    if (name[n - 1] == '.' && !all) return false;
    stars.emplace_back(name.substr(0, n));
    if (match(pattern.substr(all ? 2 : 1), name.substr(n), stars)) return true;
    stars.pop_back();
  }
  return false;
}

}  // namespace

bool fits(std::string_view pattern, std::string_view name) {
  std::vector<std::string> stars;
  return match(pattern, name, stars);
}

std::optional<std::string> first_star(std::string_view pattern, std::string_view name) {
  std::vector<std::string> stars;
  return match(pattern, name, stars) && !stars.empty() ? std::optional(stars[0]) : std::nullopt;
}

std::optional<std::string> replaced(std::string_view pattern, std::string_view replacement, std::string_view name) {
  std::vector<std::string> stars;
  if (!match(pattern, name, stars)) return {};
  std::vector<std::string_view> between;
  for (std::size_t begin = 0; begin <= replacement.size();) {
    const std::size_t end = std::min(replacement.find('*', begin), replacement.size());
    between.push_back(replacement.substr(begin, end - begin));
    begin = end + (replacement.substr(end).starts_with("**") ? 2 : 1);
  }
  const std::size_t own = between.size() - 1, skipped = stars.size() > own ? stars.size() - own : 0;
  std::string out(between[0]);
  for (std::size_t i = 0; i < own; ++i)
    out += (skipped + i < stars.size() ? stars[skipped + i] : "") + std::string(between[i + 1]);
  return out;
}

}  // namespace weft
