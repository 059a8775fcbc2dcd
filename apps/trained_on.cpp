#include "weft/apps/trained_on.h"

#include <algorithm>

#include <fmt/format.h>

namespace weft::apps {

namespace fs = std::filesystem;

TrainedOn TrainedOn::read(const fs::path& model, const Metadata& metadata) {
  TrainedOn result;
  const auto found = metadata.find(settings_key);
  if (found == metadata.end()) return result;
  try {
    result.settings = Json::parse(found->second);
    const Json& split = result.settings.at("split");
    if (!split.is_number_unsigned() || split > 4)
      throw FormatError("[model] '{}' was trained on split {}; allowed: 0 to 4", model.string(), split.dump());
    result.split = split.get<int>();
    result.settings.at("checkpoint").get_to(result.checkpoint);
    if (result.settings.contains("task")) result.settings["task"].get_to(result.task);
    weft::task(result.task);
  } catch (const Json::exception& error) {
    throw FormatError("[model] '{}': its '{}': {}", model.string(), settings_key, plain(error));
  } catch (const UsageError& error) {
    throw FormatError("[model] '{}': {}; was it written by a later weft?", model.string(), error.what());
  }
  return result;
}

std::optional<bool> TrainedOn::zoo_is(const Zoo& zoo) const {
  if (settings.contains("zoo")) return settings["zoo"] == zoo.hash();
  const ZooDescription& d = zoo.description();
  const Json of_release_0_1{{"zoo_seed", d.seed},
                            {"zoo_data", d.data_hash},
                            {"zoo_rows", zoo.rows().size()},
                            {"zoo_activation", d.activation},
                            {"zoo_settings", d.settings}};
  for (const auto& [key, value] : of_release_0_1.items()) {
    if (!settings.contains(key)) return {};
    if (settings[key] != value) return false;
  }
  return true;
}

std::string zoo_folder(const std::string& given, const fs::path& model) {
  if (!given.empty()) return given;
  const fs::path run = model.parent_path() / run_file;
  const Json json = fs::exists(run) ? read_json(run) : Json();
  if (!json.is_object() || !json.contains("zoo") || !json["zoo"].is_string())
    throw UsageError("[weft] no '{}' beside the model says where its zoo lies; give --zoo", run.string());
  const std::string folder = bytes_of_text(json["zoo"].get<std::string>());
  if (!fs::is_directory(folder))
    throw UsageError("[weft] no zoo at '{}', where '{}' has it; give --zoo", folder, run.string());
  return folder;
}

std::string took_part(const Zoo& zoo, std::span<const std::int64_t> ids, int split) {
  const auto n = std::count_if(ids.begin(), ids.end(), [&](std::int64_t id) {
    return zoo.row(id).splits[static_cast<std::size_t>(split)] != ZooPart::test;
  });
  return n == 0
             ? ""
             : fmt::format("{} of the {} networks took part in the model's training on split {}", n, ids.size(), split);
}

JudgedOn judged_on(const TrainedOn& trained_on, const Zoo& zoo, std::optional<int> split, const std::string& checkpoint,
                   bool allow_trained_on) {
  if (!split && !trained_on.split)
    throw UsageError(
        "[eval] weft train did not write this model, which does not say what it was trained on; give --split");
  JudgedOn on{split ? *split : *trained_on.split, {}, zoo.hash(), {}};
  on.checkpoint = chosen_checkpoint(zoo, checkpoint.empty() ? trained_on.checkpoint : checkpoint);
  const std::optional<bool> same_zoo = trained_on.zoo_is(zoo);
  if (!trained_on.split || !same_zoo)
    on.warning = "the model does not say what it was trained on: some of the networks may have taken part";
  else if (!*same_zoo)
    on.warning = "the model was trained on another zoo: some of the networks may have taken part";
  else
    on.warning =
        took_part(zoo, checkpoints(zoo, weft::task(trained_on.task), on.split, ZooPart::test, on.checkpoint, true),
                  *trained_on.split);
  // Where a model says nothing, its user knows.
  if (!on.warning.empty() && trained_on.split && !allow_trained_on)
    throw UsageError("[eval] {}; leave --split and --zoo out, or give --allow-trained-on, which marks the result",
                     on.warning);
  return on;
}

}  // namespace weft::apps
