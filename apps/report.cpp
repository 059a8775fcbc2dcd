#include "weft/apps/report.h"

#include <fmt/format.h>

#include "weft/apps/run_folder.h"

namespace weft::apps {

int report(const ReportOptions& o, const Common& common) {
  const Zoo zoo = open_zoo(o.zoo);
  const ZooDescription& d = zoo.description();
  Report page;
  page.title = o.title;
  page.seconds = o.seconds;
  const std::map<std::int64_t, const ZooRow*> last = last_checkpoints(zoo);
  for (const auto& [network, row] : last) page.accuracies.push_back(row->accuracy);
  page.zoo = {{"networks", std::to_string(last.size())},
              {"architecture", d.architecture + ", " + d.activation},
              {"parameters", std::to_string(d.space.parameters())},
              {"data", d.data_name},
              {"seed", std::to_string(d.seed)}};
  page.zoo.insert(page.zoo.end(), d.settings.begin(), d.settings.end());
  for (const std::string& run : o.runs) page.runs.push_back(read_run(run));
  check_output_file(o.out);
  for (const ReportRun& run : page.runs)
    if (run.judged.ids.empty())
      common.remark(fmt::format("'{0}' was not judged: weft eval {0} --zoo {1}", run.folder, o.zoo));
  write_text(o.out.path, report_page(page));
  if (common.json)
    fmt::print("{}\n", Json{{"report", o.out.path}, {"runs", o.runs}}.dump(1));
  else if (!common.quiet)
    fmt::print("{}report: {}\n", tau_tables(page.runs), o.out.path);
  return exit_ok;
}

void add_report(CLI::App& app, Common& common, Run& run) {
  CLI::App& verb = add_verb(app, common, "report", "Write one HTML page about a zoo and the models trained on it",
                            "  weft report --zoo zoo --run magep --run statnn --out report.html");
  auto o = std::make_shared<ReportOptions>();
  verb.add_option("--zoo", o->zoo, "folder of a zoo")->required()->type_name("DIR");
  verb.add_option("run,--run", o->runs, "folder that weft train wrote; several splits of a model are averaged")
      ->required()
      ->type_name("DIR")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  verb.add_option("--title", o->title, "of the page");
  add_output(verb, o->out, "HTML file", false);
  verb.callback([o, &common, &run] { run = [o, &common] { return report(*o, common); }; });
}

}  // namespace weft::apps
