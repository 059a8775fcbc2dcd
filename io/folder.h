#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace weft {

/// Names of what lies in a folder, sorted, without "." and "..". Throws ReadError when it cannot be read. (The standard
/// library's iterators over folders end the program when memory runs out.)
std::vector<std::string> names_in(const std::filesystem::path& folder);

}  // namespace weft
