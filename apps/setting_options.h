#pragma once
// Options of the command line from lists of settings (core/settings.h).

#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "weft/apps/run_folder.h"
#include "weft/core/settings.h"

namespace weft::apps {

/// "--equivariant-layers"
std::string option_name(const std::string& setting);
Json to_json(const SettingValue& value);

/// The options of the settings that several owners have, say kinds of models, each with usual values of its own.
class SettingOptions {
 public:
  explicit SettingOptions(CLI::App& verb) : verb_(verb) {}

  /// A setting that an owner before had is one option with it.
  void add(const std::string& owner, const std::vector<Setting>& settings);
  /// Once the options are read: what was given of these settings is set, and what was not is shown by --print-config.
  /// Returns the options that were given.
  std::vector<std::string> take(Settings& settings) const;
  /// Throws UsageError when an option was given that is none of `taken`; "[train] --train-psi is no setting of
  /// model mlp; allowed: with magep".
  void require(const std::vector<std::string>& taken, const std::string& who, const std::string& owner) const;

 private:
  struct Entry {
    Setting setting;
    std::vector<std::pair<std::string, SettingValue>> usual;  ///< by owner
    std::shared_ptr<std::string> given;
    CLI::Option* option;
  };
  std::string text_of(const Entry& entry) const;
  /// "magep, inr-*, *probes": all owners of one word before their first hyphen, or behind their last, are named
  /// together.
  std::string names_of(const std::vector<std::string>& owners) const;

  CLI::App& verb_;
  std::vector<Entry> entries_;
  std::vector<std::string> owners_;
};

}  // namespace weft::apps
