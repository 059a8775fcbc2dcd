#pragma once
// What a model was trained on, and whether the networks that it is judged on took part in that.

#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "weft/apps/run_folder.h"
#include "weft/tasks/task.h"

namespace weft::apps {

/// By the settings that weft train writes into a model's file. A model that something else wrote has none: then the
/// split is empty, and only the user knows.
struct TrainedOn {
  std::optional<int> split{};
  std::string checkpoint{};  ///< see chosen_checkpoint()
  std::string task = tasks().front()->name;
  Json settings{};

  /// `model` names the file in messages. Throws FormatError for settings that are damaged.
  static TrainedOn read(const std::filesystem::path& model, const Metadata& metadata);

  /// Whether it was this zoo: by its hash, or for a model of release 0.1 by all that its settings say of the zoo.
  /// Empty: the settings do not tell.
  std::optional<bool> zoo_is(const Zoo& zoo) const;
};

inline constexpr const char* settings_key = "settings";  ///< of the metadata of models and states

/// The zoo to read: the one given, else the one that the run.json beside the model names. Throws UsageError where
/// neither does.
std::string zoo_folder(const std::string& given, const std::filesystem::path& model);

/// "14 of the 23 networks took part in the model's training on split 3": which of these checkpoints are no test
/// networks of a split. Empty where all are.
std::string took_part(const Zoo& zoo, std::span<const std::int64_t> ids, int split);

/// Where to judge a model: what is not given is taken from it. Throws UsageError for a choice with a warning, unless it
/// is allowed, and for a split that neither the model nor the user names.
JudgedOn judged_on(const TrainedOn& trained_on, const Zoo& zoo, std::optional<int> split, const std::string& checkpoint,
                   bool allow_trained_on);

}  // namespace weft::apps
