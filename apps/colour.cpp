#include "weft/apps/colour.h"

#include <cstdlib>
#include <string_view>

#include <fmt/format.h>
#include <unistd.h>

namespace weft::apps {

std::string coloured(std::FILE* stream, Colour colour, const std::string& text) {
  const char *none = std::getenv("NO_COLOR"), *terminal = std::getenv("TERM");
  const bool wanted = isatty(fileno(stream)) && !(none && *none) && !(terminal && std::string_view(terminal) == "dumb");
  return wanted ? fmt::format("\x1b[1;{}m{}\x1b[0m", colour == Colour::good ? 32 : 31, text) : text;
}

}  // namespace weft::apps
