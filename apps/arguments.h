#pragma once
// The words of the command line before CLI11 reads them: which verb is meant, options and main arguments by name.

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace weft::apps {

/// "zoo make"; "" for `app` itself.
std::string name_of(const CLI::App& verb);
/// The verbs right below, without hidden ones.
std::vector<const CLI::App*> verbs_below(const CLI::App& app);

struct Arguments {
  const CLI::App* verb;              ///< the innermost one; `app` where the words begin with an option
  std::vector<std::string> words{};  ///< for CLI11: the verb's name, then its options
};

/// The words of a command line, with main arguments written as the options that they are ("train zoo" as "train
/// --zoo=zoo"), and with every `--config FILE` replaced by those options of the file that are not given by hand. Throws
/// UsageError for another word than a verb and an option that the verb lacks, with what may be meant, before anything
/// that is missing is complained of; what options_of() throws.
Arguments read_arguments(const CLI::App& app, int argc, char** argv);

/// "; did you mean --zoo?" with what is spelled most like `word`; ";" where nothing is.
std::string did_you_mean(const std::string& word, const std::vector<std::string>& known);
/// "--zoo", "--out", …
std::vector<std::string> option_names(const CLI::App& verb);

}  // namespace weft::apps
