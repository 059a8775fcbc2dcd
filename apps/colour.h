#pragma once
// Colour, where a person looks: on a terminal, unless NO_COLOR (no-color.org) or a terminal without any says otherwise.

#include <cstdio>
#include <string>

namespace weft::apps {

enum class Colour { good, bad };

/// The text as it is written to `stream`: in green or red on a terminal, else as it is.
std::string coloured(std::FILE* stream, Colour colour, const std::string& text);

}  // namespace weft::apps
