#pragma once
// Options in files: --config file.json reads what --print-config prints.

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace weft::apps {

/// The command line with every `--config FILE` replaced by the options that the file holds. They stand right behind the
/// verb, so that options given by hand win. Throws DiskError, FormatError for a file that is no flat JSON object.
std::vector<std::string> with_config_files(int argc, char** argv);

/// The verb's options with their values as a JSON object that --config reads.
std::string config_text(const CLI::App& verb);

}  // namespace weft::apps
