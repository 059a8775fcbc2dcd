#pragma once
// What is installed beside the program and follows from its parser: shell completion and man pages.

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace weft::apps {

/// All verbs that do something, innermost: "zoo make", not "zoo".
std::vector<const CLI::App*> all_verbs(const CLI::App& app);
/// Below the program: "zoo" and "zoo make".
std::vector<const CLI::App*> all_verbs_and_groups(const CLI::App& app);
/// The texts that an option takes, where they are few; else none.
std::vector<std::string> choices_of(const CLI::Option& option);
bool is_flag(const CLI::Option& option);
/// A file or folder.
bool is_path(const CLI::Option& option);

std::string bash_completion(const CLI::App& app);
std::string zsh_completion(const CLI::App& app);
std::string fish_completion(const CLI::App& app);

/// weft(1), which lists the verbs.
std::string man_page(const CLI::App& app);
/// weft-zoo-make(1)
std::string man_page_of(const CLI::App& verb);

}  // namespace weft::apps
