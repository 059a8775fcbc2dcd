#pragma once
// Options in files: --config file.json reads what --print-config prints, and the run.json of a trained model.

#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

namespace weft::apps {

/// The key of run.json that holds the options of the run.
inline constexpr const char* options_key = "options";

/// The options that a file holds for a verb, as ("--epochs", "3"): a JSON object of options, with "verb" where it says
/// whose they are, or one that has such an object as its "options". Throws FormatError for a file that is neither;
/// UsageError for an option that the verb lacks, and for options of another verb.
std::vector<std::pair<std::string, std::string>> options_of(const std::string& path, const CLI::App& verb);

/// The verb's options with their values as a JSON object that --config reads.
std::string config_text(const CLI::App& verb);

}  // namespace weft::apps
