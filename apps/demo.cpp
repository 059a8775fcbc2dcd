// weft demo, the main job: a zoo, models that learn from its weights, their proof, and a report. Of CNNs whose
// accuracies are predicted, or of implicit networks whose images are classified and edited.

#include <fmt/format.h>

#include "weft/apps/eval.h"
#include "weft/apps/interrupt.h"
#include "weft/apps/numbers.h"
#include "weft/apps/report.h"
#include "weft/apps/setting_options.h"
#include "weft/apps/train.h"
#include "weft/apps/verify.h"
#include "weft/apps/zoo.h"
#include "weft/core/clock.h"
#include "weft/data/source.h"
#include "weft/io/folder.h"

namespace weft::apps {
namespace {

struct DemoOptions {
  OutputOption out;
  ZooRequest zoo;
  std::string task = "accuracy";
  std::optional<std::int64_t> epochs{};
};

constexpr const char* of_implicit_networks = "inr";

/// One model of the demo.
struct DemoModel {
  std::string model, task;
  Settings settings, fit;
  bool verified;
};

/// MAGEP and the baselines that read the networks; of implicit networks readers and an editor, small enough for a few
/// minutes.
std::vector<DemoModel> models_of(const DemoOptions& o, const Space& space) {
  std::vector<DemoModel> models;
  if (o.task == of_implicit_networks) {
    const auto add = [&](const char* model, const char* task, Settings::Given settings) {
      models.push_back(
          {model, task, model_settings(model, settings), training_settings(model, {{"epochs", *o.epochs}}), true});
    };
    add("inr-magep", "class", {{"channels", 24}, {"equivariant_layers", 2}, {"hidden", 128}, {"frequencies", 32}});
    add("inr-sine", "class", {{"channels", 24}, {"equivariant_layers", 2}, {"hidden", 128}, {"frequencies", 16}});
    add("probes", "class", {{"points", 64}, {"hidden", 128}});
    add("edit-sine", "edit-dilate", {{"channels", 16}, {"equivariant_layers", 1}, {"frequencies", 8}});
    return models;
  }
  for (const char* model : {"magep", "statnn", "balanced-statnn", "ridge", "mlp"})
    if (model_kind(model).reads(space))
      models.push_back({model, o.task, model_settings(model), training_settings(model, {{"epochs", *o.epochs}}),
                        model == std::string("magep")});
  return models;
}

int demo(const DemoOptions& o, const CompleteZooRequest& zoo, const Common& common) {
  namespace fs = std::filesystem;
  const fs::path folder = o.out.path, page = folder / "report.html";
  const bool implicit = o.task == of_implicit_networks;
  if (const std::int64_t split = implicit ? zoo.images : zoo.networks; split < 4)
    throw UsageError("[demo] {} {}; allowed: 4 or more, so that there are some to train, to validate and to test on",
                     split, implicit ? "images" : "networks");
  check_output(o.out, page);
  for (const char* begun : {"zoo", "zoo.part"}) check_unfinished(o.out, folder / begun);
  require_no_zoo_above(folder);
  const NewFolder made(folder);
  if (const std::string kind = folder_kind(folder); !kind.empty())
    throw UsageError("[demo] '{}' is {}; choose another --out", folder.string(), kind);
  ReportOptions report_options{.zoo = (folder / "zoo").string(), .out = {page.string(), true, false}};
  auto timed = [&](const std::string& part, auto&& body) {
    const auto start = Clock::now();
    catch_interrupts({"the demo stops after this part; --resume goes on with the next."});
    body();
    check_interrupt();
    report_options.seconds.emplace_back(part, seconds_since(start));
  };
  Common silent = common;
  silent.json = false;  // the result of a demo is its report
  silent.quiet |= common.json;
  timed("zoo", [&] { make_zoo({report_options.zoo, o.out.force, o.out.resume}, zoo, silent); });
  const Space space = open_zoo(report_options.zoo).space();
  for (const DemoModel& model : models_of(o, space)) {
    const fs::path run = folder / model.model;
    TrainOptions train_options{.zoo = report_options.zoo,
                               .out = {run.string(), o.out.force, o.out.resume},
                               .task = model.task,
                               .model = model.model,
                               .settings = model.settings,
                               .fit = model.fit};
    timed(fmt::format("train {}", model.model), [&] { train(train_options, silent); });
    timed(fmt::format("eval {}", model.model), [&] {
      eval({.model = run.string(), .zoo = report_options.zoo, .out = {{}, true, false}}, silent);
    });
    if (model.verified)
      timed(fmt::format("verify {}", model.model), [&] { verify({.model = run.string(), .force = true}, silent); });
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
                            "  weft demo --task inr --out demo-inr\n"
                            "  weft demo --out demo --data mnist --data-dir mnist");
  auto o = std::make_shared<DemoOptions>();
  o->zoo.data = "glyphs";
  add_output(verb, o->out, "folder for the zoo, the models and report.html", true, true);
  verb.add_option("--task", o->task,
                  "accuracy: of small CNNs, predicted; inr: implicit networks, their images classified and edited")
      ->check(CLI::IsMember({"accuracy", of_implicit_networks}));
  std::vector<std::string> images_of_data;
  for (const DataSource* source : data_sources())
    if (!source->texts) images_of_data.emplace_back(source->name);
  verb.add_option("--data", o->zoo.data, "drawn digits, or real images")->check(CLI::IsMember(images_of_data));
  verb.add_option("--data-dir", o->zoo.data_folder, "folder of the data set's files")->type_name("DIR");
  CLI::Option* networks = verb.add_option("--networks", o->zoo.networks, "of the zoo; 300; of inr one an image")
                              ->transform(networks_limit());
  CLI::Option* images = verb.add_option("--images", o->zoo.images, "to train the networks on; 3000, of inr 2000")
                            ->transform(items_limit());
  CLI::Option* zoo_epochs =
      verb.add_option("--zoo-epochs", o->zoo.epochs, "of the networks; 8, of inr 30")->transform(epochs_limit());
  SettingOptions of_networks(verb);
  of_networks.add("accuracy", input_architecture("cnn").settings);
  of_networks.add(of_implicit_networks, input_architecture("siren").settings);
  CLI::Option* epochs =
      verb.add_option("--epochs", o->epochs, "of the models, at most; 100, of inr 16")->transform(epochs_limit());
  verb.callback([=, &common, &run] {
    const bool implicit = o->task == of_implicit_networks;
    o->zoo.kind = implicit ? "siren" : "cnn";
    o->zoo.settings = architecture_settings(o->zoo.kind);
    of_networks.require(of_networks.take(o->zoo.settings), "demo", "task " + o->task);
    if (implicit && !o->zoo.images) o->zoo.images = 2000;
    const CompleteZooRequest all = completed_options(o->zoo);
    if (!implicit) take_usual(networks, o->zoo.networks, all.networks);
    take_usual(images, o->zoo.images, all.images);
    take_usual(zoo_epochs, o->zoo.epochs, all.epochs);
    take_usual(epochs, o->epochs, implicit ? 16 : 100);
    run = [o, all, &common] { return demo(*o, all, common); };
  });
}

}  // namespace weft::apps
