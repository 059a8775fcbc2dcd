#include "weft/apps/report.h"

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "weft/apps/gallery.h"
#include "weft/apps/trained_on.h"
#include "weft/tasks/model_file.h"

namespace weft::apps {

namespace {

std::vector<std::string> utf8_texts(std::vector<std::string> texts) {
  for (std::string& text : texts) text = utf8_text(text);
  return texts;
}

/// A run of this zoo, judged on networks that it was not trained on, or else marked.
ReportRun run_of(const std::string& folder, const Zoo& zoo, const ReportOptions& o) {
  ReportRun run = read_run(folder);
  const std::filesystem::path model = model_path(folder);
  const TrainedOn trained_on = TrainedOn::read(model, SafeTensors::open(model).metadata());
  if (!trained_on.zoo_is(zoo).value_or(true))
    throw UsageError("[report] '{}' was trained on another zoo; report on it by itself, without --zoo", folder);
  if (trained_on.split) run.split = *trained_on.split;
  run.task = trained_on.task;
  if (!run.judged.ids.empty() && run.judged.task != run.task)
    throw FormatError("[report] '{}' judges the {}, the model has learnt the {}; judge it anew by weft eval --force",
                      (std::filesystem::path(folder) / eval_file).string(), run.judged.task, run.task);
  Json settings = trained_on.settings;
  if (settings.is_object()) {
    std::vector<std::string> own;
    for (const Setting& s : model_kind(run.model).settings)
      if (settings.contains(s.name)) own.push_back(fmt::format("{} {}", s.name, settings[s.name].dump()));
    if (const auto networks = settings.value("train_networks", std::int64_t{0}); networks > 0)
      own.push_back(fmt::format("the first {} networks", networks));
    run.own_settings = fmt::format("{}", fmt::join(own, ", "));
  }
  settings.erase("split");
  run.settings =
      settings.dump() + (run.judged.on.checkpoint.empty() ? trained_on.checkpoint : run.judged.on.checkpoint);
  std::string& warning = run.judged.on.warning;
  // What eval.json says is not believed where the zoo tells.
  if (!run.judged.on.zoo.empty() && run.judged.on.zoo != zoo.hash())
    warning = "it was judged on another zoo";
  else if (warning.empty())
    warning = took_part(zoo, run.judged.ids, run.split);
  if (!warning.empty() && !o.allow_trained_on)
    throw UsageError(
        "[report] '{}': {}; judge it anew by weft eval --force, or give --allow-trained-on, which marks the result",
        (std::filesystem::path(folder) / eval_file).string(), warning);
  return run;
}

}  // namespace

int report(const ReportOptions& o, const Common& common) {
  const std::string zoo_of_runs = zoo_folder(o.zoo, std::filesystem::path(o.runs.front()) / model_file);
  const Zoo zoo = open_zoo(zoo_of_runs);
  const ZooDescription& d = zoo.description();
  Report page;
  page.title = o.title;
  page.seconds = o.seconds;
  const std::map<std::int64_t, const ZooRow*> last = last_checkpoints(zoo);
  for (const auto& [network, row] : last) {
    if (std::isfinite(row->accuracy)) page.accuracies.push_back(row->accuracy);
    if (std::isfinite(row->psnr)) page.psnr.push_back(row->psnr);
  }
  page.zoo = {{"networks", std::to_string(last.size())},
              {"architecture", d.architecture + ", " + d.activation},
              {"parameters", std::to_string(d.space.parameters())},
              {"data", d.data_name},
              {"seed", std::to_string(d.seed)}};
  page.zoo.insert(page.zoo.end(), d.settings.begin(), d.settings.end());
  for (std::size_t i = 0; i < o.runs.size(); ++i) {
    std::error_code none;
    for (std::size_t k = 0; k < i; ++k)
      if (std::filesystem::equivalent(o.runs[i], o.runs[k], none))
        throw UsageError("[report] '{}' is given twice; allowed: once", o.runs[i]);
    page.runs.push_back(run_of(o.runs[i], zoo, o));
  }
  if (d.views > 0) {
    std::map<int, Gallery> of_split;
    const auto gallery = [&](int split) -> const Gallery& {
      return of_split.try_emplace(split, zoo, split).first->second;
    };
    page.pictures.push_back(gallery(page.runs[0].split).stored());
    for (const ReportRun& run : page.runs)
      if (const Task& learnt = task(run.task); learnt.image)
        page.pictures.push_back(gallery(run.split).edited(*load_model(model_path(run.folder)).model, learnt));
  }
  std::vector<std::filesystem::path> inputs;
  for (const std::string& run : o.runs)
    for (const char* file : {model_file, log_file, run_file, eval_file, verify_file})
      inputs.push_back(std::filesystem::path(run) / file);
  check_output_file(o.out, inputs);
  for (const ReportRun& run : page.runs)
    if (run.judged.ids.empty())
      common.remark(fmt::format("'{0}' was not judged: weft eval {0} --zoo {1}", run.folder, zoo_of_runs));
  write_text(o.out.path, report_page(page));
  if (common.json)
    fmt::print(
        "{}\n",
        Json{{"report", utf8_text(o.out.path)}, {"runs", utf8_texts(o.runs)}, {"warnings", warnings(page.runs)}}.dump(
            1));
  else if (!common.quiet)
    fmt::print("{}report: {}\n", score_tables(page.runs), o.out.path);
  return exit_ok;
}

void add_report(CLI::App& app, Common& common, Run& run) {
  CLI::App& verb = add_verb(app, common, "report", "Write one HTML page about a zoo and the models trained on it",
                            "  weft report --run magep --run statnn --out report.html");
  auto o = std::make_shared<ReportOptions>();
  verb.add_option("--zoo", o->zoo, "folder of the zoo; where the first run's run.json has it when not given")
      ->type_name("DIR");
  verb.add_option("run,--run", o->runs, "folder that weft train wrote; several splits of a model are averaged")
      ->required()
      ->type_name("DIR")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  verb.add_flag("--allow-trained-on", o->allow_trained_on,
                "show models, too, that were judged on networks that took part in their training, and mark them");
  verb.add_option("--title", o->title, "of the page");
  add_output(verb, o->out, "HTML file", false);
  verb.callback([o, &common, &run] { run = [o, &common] { return report(*o, common); }; });
}

}  // namespace weft::apps
