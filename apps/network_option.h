#pragma once
// What verbs that read network files share.

#include <optional>
#include <string>

#include <CLI/CLI.hpp>

#include "weft/apps/command.h"
#include "weft/zoo/network_file.h"

namespace weft::apps {

/// The network that the verb reads: its argument, or --network.
void add_network(CLI::App& verb, std::string& path);

/// How the files of a verb are to be read: as --space, --architecture and --model-config say.
struct NetworkOptions {
  std::string space, architecture, config;
};
/// `with_space`: also `--space`, of verbs that take networks of any space.
void add_network_options(CLI::App& verb, NetworkOptions& given, bool with_space);
/// What they say, for all files of the verb. Throws UsageError for what is neither a file nor a space, or no name of an
/// architecture; FormatError, ParseError and ReadError for a file that is none.
NetworkReading reading(const NetworkOptions& given);
/// The same for networks of a model's space, of files whose tensors have its names, too.
NetworkReading reading_as(const Space& space, const NetworkOptions& given);

/// NetworkSource::open(), messages that say what lies there instead of a network, and a remark where the config names
/// another architecture than its tensors.
NetworkSource open_network(const std::string& path, const NetworkReading& reading, const Common& common);
/// All of it, to be moved: NetworkSource::require_known(), and remarks of what the text takes for granted.
NetworkFile load_known_network(const std::string& path, const NetworkReading& reading, const Common& common);
/// All of it.
NetworkFile load_network(const std::string& path, const NetworkReading& reading, const Common& common);

/// The files that a network at `path` and its options are read from, none of which a verb may replace.
std::vector<std::filesystem::path> files_read(const std::string& path, const NetworkOptions& given);

}  // namespace weft::apps
