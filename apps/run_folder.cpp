#include "weft/apps/run_folder.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <set>

#include <fmt/ranges.h>

#include "weft/io/atomic_file.h"
#include "weft/io/csv.h"
#include "weft/io/folder.h"

namespace weft::apps {

namespace fs = std::filesystem;

std::string plain(const Json::exception& error) {
  const std::string text = error.what();  // "[json.exception.type_error.302] type must be …"
  const auto begin = text.find("] ");
  return begin == std::string::npos ? text : text.substr(begin + 2);
}

Json read_json(const fs::path& path) {
  std::ifstream stream(path);
  if (!stream) throw FormatError("[weft] '{}' cannot be read", path.string());
  try {
    return Json::parse(stream);
  } catch (const Json::exception& error) {
    throw FormatError("[weft] '{}' is no JSON: {}", path.string(), plain(error));
  }
}

void write_text(const fs::path& path, const std::string& text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

void write_json(const fs::path& path, const Json& json) { write_text(path, json.dump(1) + "\n"); }

void remove_leftovers(const fs::path& folder) {
  for (const std::string& name : names_in(folder))
    if (name.starts_with(".weft-") && name.ends_with(".tmp")) fs::remove(folder / name);
}

std::string folder_kind(const fs::path& folder) {
  if (fs::exists(folder / "zoo.json"))
    return "a zoo: --zoo takes it, weft train makes a model of it, and weft zoo export takes one network out of it";
  if (fs::exists(folder / model_file) && fs::exists(folder / run_file))
    return "the folder of a model: weft eval, predict, edit and verify take it as --model";
  return "";
}

fs::path model_path(const std::string& given) {
  const bool folder = fs::is_directory(given);
  const fs::path path = folder ? fs::path(given) / model_file : fs::path(given);
  if (fs::exists(path)) return path;
  if (const std::string kind = folder ? folder_kind(given) : ""; !kind.empty())
    throw FormatError("[weft] no model at '{}': the folder is {}", path.string(), kind);
  throw FormatError("[weft] no model at '{}'; weft train writes one", path.string());
}

Zoo open_zoo(const std::string& folder) {
  if (fs::is_directory(folder)) {
    const std::string kind = folder_kind(folder);
    if (!kind.empty() && !fs::exists(fs::path(folder) / "zoo.json"))
      throw FormatError("[weft] '{}' is not a zoo but {}", folder, kind);
    return Zoo::open(folder);
  }
  if (fs::is_regular_file(folder))
    throw FormatError("[weft] no zoo at '{}', which is a file; weft zoo make writes a folder", folder);
  throw FormatError("[weft] no zoo at '{}'; weft zoo make writes one", folder);
}

std::map<std::int64_t, const ZooRow*> last_checkpoints(const Zoo& zoo) {
  std::map<std::int64_t, const ZooRow*> last;
  for (const ZooRow& row : zoo.rows()) {
    const ZooRow*& known = last[row.network];
    if (!known || known->epoch < row.epoch) known = &row;
  }
  return last;
}

std::string chosen_checkpoint(const Zoo& zoo, const std::string& given) {
  const std::vector<std::string>& names = zoo.description().checkpoints;
  const auto has = [&](const char* name) { return std::find(names.begin(), names.end(), name) != names.end(); };
  if (given.empty()) return has("75") ? "75" : "all";
  if (given != "all" && !has(given.c_str()))
    throw UsageError("[weft] no checkpoint '{}' in the zoo; allowed: all{}{}", given, names.empty() ? "" : ", ",
                     fmt::join(names, ", "));
  return given;
}

std::vector<std::int64_t> checkpoints(const Zoo& zoo, const Task& task, int split, ZooPart part,
                                      const std::string& chosen, bool only_last) {
  if (split < 0 || split > 4) throw UsageError("[weft] split {}; allowed: 0 to 4", split);
  const std::map<std::int64_t, const ZooRow*> last = last_checkpoints(zoo);
  const auto readable = readable_rows(zoo);
  std::vector<std::int64_t> ids;
  std::set<std::string> others;  // checkpoints of the part that would do
  std::int64_t wanted = 0, measured = 0;
  for (const ZooRow& row : zoo.rows()) {
    if (row.splits[static_cast<std::size_t>(split)] != part) continue;
    const std::vector<std::string>& names = zoo.description().checkpoints;
    const std::string checkpoint = names.empty() ? "" : names[static_cast<std::size_t>(row.checkpoint)];
    const bool known = std::isfinite(task.target(zoo, row));
    if (known) others.insert(checkpoint);
    if (chosen != "all" ? checkpoint != chosen : only_last && &row != last.at(row.network)) continue;
    ++wanted;
    measured += known;
    if (known && readable(row)) ids.push_back(row.id);
  }
  if (!ids.empty()) return ids;
  if (wanted > 0 && measured == 0)
    throw FormatError("[weft] the {}{} was not measured in this zoo; {}", task.name,
                      chosen == "all" ? "" : fmt::format(" of checkpoint '{}'", chosen),
                      others.empty() ? "choose another --task" : fmt::format("allowed: {}", fmt::join(others, ", ")));
  if (wanted == 0 && !others.empty() && chosen != "all")
    throw FormatError("[weft] no network of the part '{}' of split {} has a checkpoint '{}'; allowed: all, {}",
                      name(part), split, chosen, fmt::join(others, ", "));
  throw FormatError("[weft] the zoo has no networks in the part '{}' of split {}; make one of more networks",
                    name(part), split);
}

std::string metric_column(const Task& task) { return fmt::format("validation_{}", task.metric.name); }

std::string log_text(const Task& task, const std::vector<Trainer::Epoch>& log) {
  CsvWriter csv;
  csv.add("epoch").add("train_loss").add("validation_loss").add(metric_column(task)).end_row();
  for (const Trainer::Epoch& row : log)
    csv.add(row.epoch).add(row.train_loss).add(validation_loss(row)).add(validation_metric(row)).end_row();
  return csv.text();
}

Json to_json(const Task& task, double value) {
  return task.classes && std::isfinite(value) ? Json(static_cast<std::int64_t>(value)) : Json(value);
}

Json to_json(const Judged& judged) {
  Json above = Json::array();
  for (const Judged::Above& a : judged.above)
    above.push_back({{"accuracy", a.accuracy}, {"networks", a.networks}, {"tau", a.tau}});
  const Task& learnt = task(judged.task);
  const Metric& metric = learnt.metric;
  const auto values = [&](const std::vector<double>& all) {
    Json list = Json::array();
    for (const double value : all) list.push_back(to_json(learnt, value));
    return list;
  };
  Json predicted = Json::array();
  for (const std::vector<double>& column : judged.predicted) predicted.push_back(values(column));
  Json json{{"task", judged.task},
            {"split", judged.on.split},
            {"checkpoint", judged.on.checkpoint},
            {"zoo", judged.on.zoo},
            {"seed", judged.seed},
            {"warning", judged.on.warning.empty() ? Json() : Json(judged.on.warning)},
            {"columns", judged.columns},
            {metric.name, judged.score}};
  if (metric.ceiling) {
    json["ceiling"] = judged.ceiling;
    json["above"] = above;
  }
  json["ids"] = judged.ids;
  json["truth"] = values(judged.truth);
  json["predicted"] = std::move(predicted);
  return json;
}

Json to_json(const std::vector<VerifyRow>& rows) {
  Json out = Json::array();
  for (const VerifyRow& row : rows)
    out.push_back({{"check", row.check},
                   {"group", row.group},
                   {"error", row.error},
                   {"bound", row.bound},
                   {"control", row.control},
                   {"passed", row.passed}});
  return out;
}

namespace {

/// JSON has no NaN: it is null there.
double number_of(const Json& json) { return json.is_null() ? NAN : json.get<double>(); }
std::vector<double> numbers_of(const Json& json) {
  std::vector<double> all;
  for (const Json& item : json) all.push_back(number_of(item));
  return all;
}

/// Release 0.1 did not record where it judged: then `zoo` is empty, and split and seed are 0.
Judged judged_of(const Json& json) {
  Judged judged;
  if (json.contains("split")) {
    json.at("split").get_to(judged.on.split);
    json.at("checkpoint").get_to(judged.on.checkpoint);
    json.at("zoo").get_to(judged.on.zoo);
    if (!json.at("warning").is_null()) json.at("warning").get_to(judged.on.warning);
  }
  if (json.contains("task")) {
    json.at("task").get_to(judged.task);
    json.at("seed").get_to(judged.seed);
  }
  json.at("columns").get_to(judged.columns);
  const Metric& metric = task(judged.task).metric;
  judged.score = numbers_of(json.at(metric.name));
  if (metric.ceiling) judged.ceiling = number_of(json.at("ceiling"));
  for (const Json& a : json.value("above", Json::array()))
    judged.above.push_back({a.at("accuracy"), a.at("networks"), numbers_of(a.at("tau"))});
  json.at("ids").get_to(judged.ids);
  json.at("truth").get_to(judged.truth);
  json.at("predicted").get_to(judged.predicted);
  return judged;
}

/// The report reads list by list.
void check_sizes(const Judged& judged, const fs::path& file) {
  const std::size_t columns = judged.columns.size(), networks = judged.ids.size();
  bool fits = judged.score.size() == columns && judged.predicted.size() == columns && judged.truth.size() == networks;
  for (const auto& predicted : judged.predicted) fits &= predicted.size() == networks;
  for (const Judged::Above& above : judged.above) fits &= above.tau.size() == columns;
  if (!fits)
    throw FormatError("[report] '{}': {} columns of {} networks, but lists of other lengths; judge the model anew",
                      file.string(), columns, networks);
}

}  // namespace

ReportRun read_run(const fs::path& folder) {
  ReportRun run;
  run.folder = folder.string();
  const fs::path file = folder / run_file;
  if (!fs::exists(file)) throw FormatError("[report] no '{}'; weft train writes it", file.string());
  fs::path reading = file;
  try {
    const Json json = read_json(file);
    if (json.contains("task")) json.at("task").get_to(run.task);  // release 0.1 knew no other
    json.at("model").get_to(run.model);
    json.at("split").get_to(run.split);
    json.at("parameters").get_to(run.parameters);
    json.at("best_epoch").get_to(run.best_epoch);
    json.at("train_seconds").get_to(run.train_seconds);
    json.at("step_milliseconds").get_to(run.step_milliseconds);
    json.at("peak_mib").get_to(run.peak_mib);
    json.at("step_gflop").get_to(run.step_gflop);
    const std::string metric = metric_column(task(run.task));
    const Csv log = Csv::read(folder / log_file, Csv::Header::first_row);
    for (std::size_t i = 0; i < log.rows(); ++i)
      run.log.push_back({log.integer(i, log.column("epoch")),
                         log.number(i, log.column("train_loss")),
                         {log.number(i, log.column("validation_loss")), log.number(i, log.column(metric))}});
    reading = folder / eval_file;
    if (fs::exists(reading)) {
      run.judged = judged_of(read_json(reading));
      check_sizes(run.judged, reading);
    }
    reading = folder / verify_file;
    if (fs::exists(reading)) {
      const Json verified = read_json(reading);
      for (const Json& row : verified.at("checks"))
        run.verified.push_back({row.at("check"), row.at("group"),
                                row.at("error").is_null() ? INFINITY : row.at("error").get<double>(), row.at("bound"),
                                row.at("control"), row.at("passed")});
    }
  } catch (const Json::exception& error) {
    throw FormatError("[report] '{}': {}", reading.string(), plain(error));
  } catch (const UsageError& error) {  // a task that is unknown
    throw FormatError("[report] '{}': {}; was it written by a later weft?", reading.string(), error.what());
  }
  return run;
}

}  // namespace weft::apps
