#pragma once
// What a trained model leaves in its folder, and how verbs read it again:
//   model.safetensors   the best parameters
//   log.csv             one line per epoch
//   run.json            what was trained on what, and what it cost
//   eval.json           what `weft eval` found
//   verify.json         what `weft verify` found

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "weft/apps/report_page.h"
#include "weft/io/text.h"  // paths in JSON are utf8_text()
#include "weft/tasks/task.h"
#include "weft/zoo/readable.h"

namespace weft::apps {

using Json = nlohmann::ordered_json;

inline constexpr const char *model_file = "model.safetensors", *log_file = "log.csv", *run_file = "run.json",
                            *eval_file = "eval.json", *verify_file = "verify.json";

/// Throws FormatError naming the file and what is wrong with it.
Json read_json(const std::filesystem::path& path);
/// Complete or not at all. Throws DiskError.
void write_text(const std::filesystem::path& path, const std::string& text);
void write_json(const std::filesystem::path& path, const Json& json);

/// Removes what killed processes left half written.
void remove_leftovers(const std::filesystem::path& folder);

/// What weft wrote into a folder and who takes it, for a message that refuses it; empty for other folders.
std::string folder_kind(const std::filesystem::path& folder);

/// A model is named by its file or by its folder.
std::filesystem::path model_path(const std::string& given);

/// The zoo of a folder; FormatError where there is none.
Zoo open_zoo(const std::string& folder);

/// The last checkpoint of every network, by network. The rows are the zoo's.
std::map<std::int64_t, const ZooRow*> last_checkpoints(const Zoo& zoo);

/// Which checkpoints of a zoo that names them models read: the given name, else "75" as the published zoo's models do,
/// or "all". Throws UsageError for a name that the zoo does not have.
std::string chosen_checkpoint(const Zoo& zoo, const std::string& given);

/// The ids of readable rows of one part of a split of which a task's target was measured: those of a name; with "all"
/// every checkpoint, or only the last one of each network. Throws FormatError for none.
std::vector<std::int64_t> checkpoints(const Zoo& zoo, const Task& task, int split, ZooPart part,
                                      const std::string& chosen, bool only_last);

/// What a JSON library says of a file, without its own names.
std::string plain(const Json::exception& error);

/// "validation_tau": of a log, and of run.json.
std::string metric_column(const Task& task);
std::string log_text(const Task& task, const std::vector<Trainer::Epoch>& log);

/// Of what is or was to be predicted: a class is a whole number.
Json to_json(const Task& task, double value);
Json to_json(const Judged& judged);
Json to_json(const std::vector<VerifyRow>& rows);

/// A run as the report shows it, with what eval and verify left there, if they did.
ReportRun read_run(const std::filesystem::path& folder);

}  // namespace weft::apps
