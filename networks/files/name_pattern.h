#pragma once
// Patterns of the names of tensors (spec 8.7).

#include <optional>
#include <string>
#include <string_view>

namespace weft {

/// Whether a name fits a pattern: "*" stands for one character or more without points, "**" for any.
bool fits(std::string_view pattern, std::string_view name);
/// What the first star of the pattern is, or nothing where the name does not fit.
std::optional<std::string> first_star(std::string_view pattern, std::string_view name);
/// The name under `replacement`, whose stars stand for the last of the pattern's, or nothing where it does not fit.
std::optional<std::string> replaced(std::string_view pattern, std::string_view replacement, std::string_view name);

}  // namespace weft
