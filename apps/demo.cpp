// weft demo, the main job: a zoo, models that predict accuracies from its weights, their proof, and a report.

#include <chrono>

#include <fmt/format.h>

#include "weft/apps/eval.h"
#include "weft/apps/interrupt.h"
#include "weft/apps/numbers.h"
#include "weft/apps/report.h"
#include "weft/apps/setting_options.h"
#include "weft/apps/train.h"
#include "weft/apps/verify.h"
#include "weft/apps/zoo.h"
#include "weft/data/source.h"

namespace weft::apps {
namespace {

struct DemoOptions {
  OutputOption out;
  ZooMakeOptions zoo;
  std::int64_t epochs = 100;
};

int demo(DemoOptions o, const Common& common) {
  namespace fs = std::filesystem;
  const fs::path folder = o.out.path, page = folder / "report.html";
  if (*o.zoo.networks < 4)
    throw UsageError(
        "[demo] --networks {}; allowed: 4 or more, so that there are some to train, to validate and to test on",
        *o.zoo.networks);
  check_output(o.out, page);
  for (const char* begun : {"zoo", "zoo.part"}) check_unfinished(o.out, folder / begun);
  const NewFolder made(folder);
  if (const std::string kind = folder_kind(folder); !kind.empty())
    throw UsageError("[demo] '{}' is {}; choose another --out", folder.string(), kind);
  ReportOptions report_options{.zoo = (folder / "zoo").string(), .out = {page.string(), true, false}};
  auto timed = [&](const std::string& part, auto&& body) {
    const auto start = std::chrono::steady_clock::now();
    catch_interrupts("the demo stops after this part; --resume goes on with the next.");
    body();
    check_interrupt();
    report_options.seconds.emplace_back(
        part, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  };
  Common silent = common;
  silent.json = false;  // the result of a demo is its report
  silent.quiet |= common.json;
  o.zoo.out = {report_options.zoo, o.out.force, o.out.resume};
  timed("zoo", [&] { make_zoo(o.zoo, silent); });
  const Space space = open_zoo(report_options.zoo).space();
  for (const ModelKind* model : model_kinds()) {
    if (!model->reads(space)) continue;
    const std::string kind = model->name;
    const fs::path run = folder / kind;
    TrainOptions train_options{.zoo = report_options.zoo,
                               .out = {run.string(), o.out.force, o.out.resume},
                               .model = kind,
                               .settings = model_settings(kind),
                               .fit = training_settings(kind, {{"epochs", o.epochs}})};
    timed(fmt::format("train {}", kind), [&] { train(train_options, silent); });
    timed(fmt::format("eval {}", kind), [&] {
      eval({.model = run.string(), .zoo = report_options.zoo, .out = {{}, true, false}}, silent);
    });
    if (kind == "magep") timed("verify magep", [&] { verify({.model = run.string(), .force = true}, silent); });
    report_options.runs.push_back(run.string());
  }
  double all = 0;
  for (const auto& [part, seconds] : report_options.seconds) all += seconds;
  report_options.seconds.emplace_back("all", all);
  const int code = report(report_options, common);
  if (!common.quiet && !common.json) fmt::print("{:.0f} s in all\n", all);
  return code;
}

}  // namespace

void add_demo(CLI::App& app, Common& common, Run& run) {
  CLI::App& verb = add_verb(app, common, "demo",
                            "The main job: make a zoo, train models on it, judge and verify them, write a report",
                            "  weft demo --out demo\n"
                            "  weft demo --out demo --data mnist --data-dir mnist");
  auto o = std::make_shared<DemoOptions>();
  o->zoo.data = "glyphs";
  add_output(verb, o->out, "folder for the zoo, the models and report.html", true, true);
  std::vector<std::string> images_of_data;
  for (const DataSource* source : data_sources())
    if (!source->texts) images_of_data.emplace_back(source->name);
  verb.add_option("--data", o->zoo.data, "drawn digits, or real images")->check(CLI::IsMember(images_of_data));
  verb.add_option("--data-dir", o->zoo.data_dir, "folder of the data set's files")->type_name("DIR");
  CLI::Option* networks =
      verb.add_option("--networks", o->zoo.networks, "of the zoo; 300")->transform(networks_limit());
  CLI::Option* images =
      verb.add_option("--images", o->zoo.images, "to train the networks on; 3000")->transform(items_limit());
  CLI::Option* zoo_epochs =
      verb.add_option("--zoo-epochs", o->zoo.epochs, "of the networks; 8")->transform(epochs_limit());
  SettingOptions of_networks(verb);
  of_networks.add(o->zoo.kind, o->zoo.settings.list());
  verb.add_option("--epochs", o->epochs, "of the models, at most")->transform(epochs_limit());
  verb.callback([=, &common, &run] {
    of_networks.take(o->zoo.settings);
    const ZooMakeOptions all = completed(o->zoo);
    take_usual(networks, o->zoo.networks, *all.networks);
    take_usual(images, o->zoo.images, *all.images);
    take_usual(zoo_epochs, o->zoo.epochs, *all.epochs);
    o->zoo = all;
    run = [o, &common] { return demo(*o, common); };
  });
}

}  // namespace weft::apps
