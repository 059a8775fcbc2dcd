#include "weft/apps/help.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "weft/apps/generate.h"

namespace weft::apps {
namespace {

constexpr std::size_t longest_choices = 60;

bool has_word(const std::string& text, const std::string& word) {
  const auto part = [&](std::size_t at) {
    return at < text.size() && (std::isalnum(static_cast<unsigned char>(text[at])) || text[at] == '-');
  };
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1))
    if (!part(at - 1) && !part(at + word.size())) return true;  // before the first one there is none
  return false;
}

}  // namespace

bool choices_are_few(const CLI::Option& option) {
  return fmt::format("{}", fmt::join(choices_of(option), "|")).size() <= longest_choices;
}

std::string description_of(const CLI::Option& option) {
  const std::string text = option.get_description();
  const std::vector<std::string> choices = choices_of(option);
  if (choices_are_few(option) || std::ranges::all_of(choices, [&](const auto& c) { return has_word(text, c); }))
    return text;
  return fmt::format("{}; one of {}", text, fmt::join(choices, ", "));
}

std::string HelpFormatter::make_option_opts(const CLI::Option* option) const {
  std::string text = CLI::Formatter::make_option_opts(option);
  const std::string type = option->get_type_name();
  if (const std::size_t at = text.find(type); at != std::string::npos && !choices_are_few(*option))
    text.replace(at, type.size(), type.substr(0, type.find(':')));
  return text;
}

}  // namespace weft::apps
