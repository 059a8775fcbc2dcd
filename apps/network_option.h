#pragma once
// What verbs that read network files share.

#include <optional>
#include <string>

#include <CLI/CLI.hpp>

#include "weft/zoo/network_file.h"

namespace weft::apps {

/// The option `--space TEXT|FILE` for files that do not name their space.
void add_space(CLI::App& verb, std::string& given);
/// The space that it gives; none where it was not given. Throws UsageError for what is neither a file nor a space.
std::optional<Space> given_space(const std::string& given);

/// NetworkFile::load(), and messages that say what lies there instead of a network.
NetworkFile load_network(const std::string& path, const std::optional<Space>& space);

}  // namespace weft::apps
