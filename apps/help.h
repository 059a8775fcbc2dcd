#pragma once
// What --help and man pages say of an option.

#include <string>

#include <CLI/CLI.hpp>

namespace weft::apps {

/// Whether its choices are so few that they stand beside its name, in a line that cannot break.
bool choices_are_few(const CLI::Option& option);
/// What it is, in lines; with the choices that neither this text nor the option's name has.
std::string description_of(const CLI::Option& option);

class HelpFormatter final : public CLI::Formatter {
 public:
  std::string make_option_opts(const CLI::Option* option) const override;
  std::string make_option_desc(const CLI::Option* option) const override { return description_of(*option); }
};

}  // namespace weft::apps
