#pragma once
// Options in files: --config file.json reads what --print-config prints.

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace weft::apps {

/// The verb that these arguments begin with, innermost ("zoo make"); `app` where they begin with an option. Throws
/// UsageError, with the verbs there are, for another word or none.
const CLI::App& verb_of(const CLI::App& app, const std::vector<std::string>& arguments);
/// "zoo make"; "" for `app` itself.
std::string name_of(const CLI::App& verb);

/// The command line with every `--config FILE` replaced by the options that the file holds and that are not given by
/// hand. Throws FormatError for a file that is no flat JSON object; UsageError for an option that the verb lacks.
std::vector<std::string> with_config_files(const CLI::App& app, int argc, char** argv);

/// The verb's options with their values as a JSON object that --config reads.
std::string config_text(const CLI::App& verb);

}  // namespace weft::apps
