#include "weft/apps/train.h"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <optional>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "weft/apps/config.h"
#include "weft/apps/interrupt.h"
#include "weft/apps/numbers.h"
#include "weft/apps/setting_options.h"
#include "weft/apps/trained_on.h"
#include "weft/core/clock.h"
#include "weft/core/hash.h"
#include "weft/core/numerics.h"
#include "weft/core/progress.h"
#include "weft/core/ranks.h"
#include "weft/io/folder.h"
#include "weft/io/folder_lock.h"
#include "weft/tasks/model_file.h"

namespace weft::apps {
namespace {

namespace fs = std::filesystem;

const std::string edit_prefix = "edit-";  ///< of names of tasks
constexpr const char* state_file = "state.safetensors";
constexpr double share_of_saving = 0.05;  ///< of the time, at most

constexpr InterruptPlan from_saved_epoch{
    "training stops after this step; --resume goes on from the last epoch that was saved."};
constexpr InterruptPlan from_start{
    "training stops after this step; nothing of it is saved before its first epoch ends.",
    "nothing of this training was saved; it begins anew"};

void add(Json& to, const Settings& settings) {
  for (const Setting& s : settings.list()) to[s.name] = to_json(settings.value(s.name));
}

/// Everything that decides the bits of a run: a state of other settings is not continued. Readers: TrainedOn.
Json settings_of(const TrainOptions& o, const Zoo& zoo, const Common& common, const std::string& device) {
  Json all{{"numerics", numerics_version}, {"task", o.task}, {"model", o.model}};
  add(all, o.settings);
  if (!model_kind(o.model).solved) add(all, o.fit);
  all["split"] = o.split;
  all["train_networks"] = o.train_networks;
  all["checkpoint"] = chosen_checkpoint(zoo, o.checkpoint);
  all["seed"] = common.seed;
  all["ranks"] = ranks().size();
  all["device"] = device;
  all["products"] = common.products;
  all["zoo"] = zoo.hash();
  return all;
}

void save_state(const fs::path& folder, const Fit& fit, const Json& settings) {
  fit.save(folder / state_file, {{settings_key, settings.dump()}});
}

/// A state or a model of other settings is another run's. Numerics matter to what goes on only.
void check_same_settings(const TrainedOn& there, const fs::path& path, const Json& now, const Zoo& zoo) {
  for (const auto& [key, value] : now.items()) {
    if (key == "numerics" || (key == "zoo" && there.zoo_is(zoo).value_or(false))) continue;
    Json before = there.settings.is_object() ? there.settings.value(key, Json()) : Json();
    if (key == "task" && before.is_null()) before = tasks().front()->name;  // release 0.1 knew no other
    if (key == "ranks" && before.is_null()) before = 1;                     // nor did it know these
    if (key == "train_networks" && before.is_null()) before = 0;
    if (before != value)
      throw UsageError(
          "[train] '{}' was written with another {} ({}; here {}); give the same, --force, or another --out",
          path.string(), key, before.is_null() ? "none" : before.dump(), value.dump());
  }
}

void resume(Fit& fit, const fs::path& file, const Json& settings, const Zoo& zoo) {
  const SafeTensors state = SafeTensors::open(file);
  const TrainedOn there = TrainedOn::read(file, state.metadata());
  const Json begun_with = there.settings.is_object() ? there.settings.value("numerics", Json(1)) : Json(1);
  if (begun_with != numerics_version)
    throw UsageError("[train] '{}' {}", file.string(),
                     other_numerics(begun_with.is_number_integer() ? begun_with.get<int>() : 0) + " with --force");
  check_same_settings(there, file, settings, zoo);
  try {
    fit.resume(file);
  } catch (const FormatError& error) {
    throw FormatError("[train] '{}': {}; give --force to start anew", file.string(), error.what());
  }
}

/// The options of a run as --print-config says them: `weft train --config run/run.json` reads them. --force and
/// --resume are of one call only.
Json options_of_run(const TrainOptions& o, const std::string& checkpoint, const Common& common) {
  Json all{{"verb", "train"},          {"zoo", utf8_text(o.zoo)},           {"task", o.task},
           {"model", o.model},         {"out", utf8_text(o.out.path)},      {"split", o.split},
           {"checkpoint", checkpoint}, {"train-networks", o.train_networks}};
  const auto add = [&](const Settings& settings) {
    for (const Setting& s : settings.list()) all[option_name(s.name).substr(2)] = to_json(settings.value(s.name));
  };
  add(o.settings);
  if (!model_kind(o.model).solved) add(o.fit);
  all["seed"] = common.seed;
  all["threads"] = common.threads;
  all["timeout"] = common.timeout;
  all["device"] = common.device;
  all["products"] = common.products;
  all["json"] = common.json;
  all["quiet"] = common.quiet;
  return all;
}

/// Leaves the checkpoints of the first networks of `ids`. A grid's networks come in a random order, so that these are
/// like any others.
void keep_first_networks(const Zoo& zoo, std::vector<std::int64_t>& ids, std::int64_t networks) {
  std::set<std::int64_t> kept;
  std::erase_if(ids, [&](std::int64_t id) {
    const std::int64_t network = zoo.row(id).network;
    if (std::ssize(kept) < networks) kept.insert(network);
    return !kept.contains(network);
  });
}

/// A model for other networks, or other tasks, says in its own words what it misses; here it is known which model to
/// take.
void check_reads(const TrainOptions& o, const Task& learnt, const Zoo& zoo) {
  const ModelKind& kind = model_kind(o.model);
  const bool edits = learnt.image != nullptr;
  std::vector<std::string_view> others;
  for (const ModelKind* other : model_kinds())
    if (other->reads(zoo.space()) && other->edits == edits) others.emplace_back(other->name);
  if (!kind.reads(zoo.space()))
    throw UsageError("[train] --model {} reads {}, '{}' holds networks of kind {}; give --model {}", o.model,
                     kind.reads_text, o.zoo, zoo.description().architecture, fmt::join(others, ", "));
  if (kind.edits != edits)
    throw UsageError("[train] --model {} {} networks, --task {} is to {}; give {}--model {}", o.model,
                     kind.edits ? "edits" : "says something of", learnt.name, edits ? "edit them" : "say something",
                     kind.edits ? "--task edit, or " : "", fmt::join(others, ", "));
}

/// The kinds of models by what they read, a line each.
std::string models_text() {
  std::vector<std::pair<std::string, std::vector<std::string_view>>> groups;
  for (const ModelKind* kind : model_kinds()) {
    const std::string reads = fmt::format("{}{}", kind->edits ? "that edit " : "of ", kind->reads_text);
    auto group = std::ranges::find(groups, reads, [](const auto& g) { return g.first; });
    if (group == groups.end()) group = groups.insert(groups.end(), {reads, {}});
    group->second.emplace_back(kind->name);
  }
  std::string text =
      "what to train; when not given: edit-sine to edit, inr-sine of implicit networks, magep of all others";
  for (const auto& [reads, names] : groups) text += fmt::format("\n{}: {}", reads, fmt::join(names, ", "));
  return text;
}

}  // namespace

int train(TrainOptions o, const Common& common) {
  const fs::path folder = o.out.path;
  std::optional<FolderLock> lock;
  const auto take_folder = [&] {
    lock.emplace(folder);
    check_unfinished(o.out, folder / state_file);
    for (const char* file : {model_file, log_file, run_file}) check_output(o.out, folder / file);
  };
  const Zoo zoo = o.opened ? *o.opened : open_zoo(o.zoo);
  if (o.task.empty()) o.task = usual_task(zoo).name;
  const Task& learnt = task(o.task);
  const std::int64_t outputs = learnt.outputs(zoo);
  check_reads(o, learnt, zoo);
  // Rank 0 alone looks at the folder and writes there, once all ranks have read the same zoo.
  Ranks& job = ranks();
  const std::string device = device_of(common.backend).kind == Device::Kind::cpu ? "cpu" : "cuda";
  const Json settings = settings_of(o, zoo, common, device);
  if (const int rank = job.first_unlike(Hash().add(settings.dump()).value()))
    throw UsageError("[train] rank {} has other options or another zoo than rank 0; start all with the same", rank);
  if (job.first() && fs::is_directory(folder)) take_folder();
  // A state beside a model is of a run with --force that was to replace it.
  bool finished = job.first() && o.out.resume && fs::exists(folder / model_file) && !fs::exists(folder / state_file);
  if (finished) {
    const fs::path model = folder / model_file;
    check_same_settings(TrainedOn::read(model, SafeTensors::open(model).metadata()), model, settings, zoo);
  }
  finished = !job.broadcast(finished ? "finished" : "").empty();
  if (finished) {
    if (common.json)
      fmt::print("{}\n", read_json(folder / run_file).dump(1));
    else if (!common.quiet)
      fmt::print("'{}' is finished already\n", folder.string());
    return exit_ok;
  }
  if (job.first()) require_no_zoo_above(folder);
  std::optional<NewFolder> made;
  if (job.first()) made.emplace(folder);
  if (job.first() && !lock) take_folder();
  auto model = make_reader(o.model, o.settings, zoo.space(), DType::f32, RandomKey(common.seed, "model"),
                           common.backend, outputs);
  const std::string chosen = chosen_checkpoint(zoo, o.checkpoint);
  std::vector<std::int64_t> training = checkpoints(zoo, learnt, o.split, ZooPart::train, chosen, false);
  if (o.train_networks > 0) keep_first_networks(zoo, training, o.train_networks);
  const std::vector<std::int64_t> validation = checkpoints(zoo, learnt, o.split, ZooPart::val, chosen, true);
  const std::int64_t trained_on = std::ssize(training), validated_on = std::ssize(validation);
  FitConfig config = FitConfig::of(o.fit, common.seed);
  config.job = &job;
  Fit fit(*model, config, zoo, training, validation, learnt);
  const Trainer::Cost cost = fit.try_step();
  const double step_flops = 3 * model->flops(config.batch);  // a backward pass costs two forward passes
  const double mib = static_cast<double>(cost.bytes) / (1 << 20);
  const auto steps = (trained_on + config.batch - 1) / config.batch;
  if (!common.quiet && !common.json) {
    fmt::print("{} on '{}' (split {}): {} checkpoints to train on, {} networks to validate on\n", o.model, o.zoo,
               o.split, trained_on, validated_on);
    const std::string how_long = model_kind(o.model).solved
                                     ? "solved at once"
                                     : fmt::format("at most {} epochs of {} steps, about {:.0f} s", config.epochs,
                                                   steps, cost.seconds * static_cast<double>(steps * config.epochs));
    fmt::print("  {} parameters, {:.3g} GFLOP a step, {:.1f} MiB at most, {}\n", model->parameters().trained_numbers(),
               step_flops * 1e-9, mib, how_long);
    std::fflush(stdout);  // before the progress, where it goes to a file
  }
  if (job.first()) remove_leftovers(folder);
  const bool begun = job.first() && o.out.resume && fs::exists(folder / state_file),
             resumes = !job.broadcast(begun ? "resumes" : "").empty();
  if (resumes) resume(fit, folder / state_file, settings, zoo);
  if (job.first() && o.out.force) fs::remove(folder / state_file);

  const auto validation_text = [&](const Trainer::Epoch& row) {
    return fmt::format("validation {} {:.{}f}", learnt.metric.name, validation_metric(row), learnt.metric.digits);
  };
  catch_interrupts(resumes ? from_saved_epoch : from_start);
  const auto start = Clock::now();
  auto saved = start;
  double saving = 0;  // seconds that the last save took
  {
    Progress bar(o.model, config.epochs * steps, "steps", common.progress());
    bar.begin(static_cast<std::int64_t>(fit.log().size()) * steps);
    std::size_t remarked = 0;
    while (!fit.done()) {
      const auto before = static_cast<std::int64_t>(fit.log().size()) * steps;
      const Trainer::Epoch& row = fit.run_epoch([&](std::int64_t done, std::int64_t) {
        check_interrupt();
        expect_safe_point(cost.seconds);
        bar.update(before + done);
        for (const auto slow = fit.fallbacks(); remarked < slow.size(); ++remarked)
          common.remark("slow: " + slow[remarked]);
      });
      bar.update(fit.solved() ? config.epochs * steps : before + steps,
                 fmt::format("loss {:.4f}, {}", row.train_loss, validation_text(row)));
      if (!job.first() || (saving > share_of_saving * seconds_since(saved) && !fit.done())) continue;
      const auto before_save = Clock::now();
      change_plan(from_saved_epoch);  // what interrupts the saving waits for it
      save_state(folder, fit, settings);
      saving = seconds_since(before_save);
      saved = Clock::now();
    }
    bar.finish(fmt::format("best epoch {}", fit.best_epoch()));
  }
  fit.take_best();
  if (!job.first()) return exit_ok;
  const double seconds = seconds_since(start);
  const Trainer::Epoch& best = fit.log()[static_cast<std::size_t>(fit.best_epoch() - 1)];
  const Json summary = {{"task", o.task},
                        {"model", o.model},
                        {"zoo", utf8_text(o.zoo)},
                        {"split", o.split},
                        {"checkpoint", chosen},
                        {"device", device},
                        {"products", common.products},
                        {"parameters", model->parameters().trained_numbers()},
                        {"checkpoints", trained_on},
                        {"epochs", fit.log().size()},
                        {"best_epoch", fit.best_epoch()},
                        {metric_column(learnt), validation_metric(best)},
                        {"train_seconds", seconds},
                        {"step_milliseconds", cost.seconds * 1e3},
                        {"step_gflop", step_flops * 1e-9},
                        {"peak_mib", mib},
                        {"fallbacks", fit.fallbacks()},
                        {settings_key, settings},
                        {options_key, options_of_run(o, chosen, common)}};
  for (const char* file : {eval_file, verify_file}) fs::remove(folder / file);  // of the model that is replaced
  write_text(folder / log_file, log_text(learnt, fit.log()));
  write_json(folder / run_file, summary);
  save_model(folder / model_file, *model, {{settings_key, settings.dump()}});
  fs::remove(folder / state_file);
  if (common.json)
    fmt::print("{}\n", summary.dump(1));
  else if (!common.quiet)
    fmt::print(
        "  {} in {:.1f} s, {}: {}\n", fit.solved() ? "solved" : fmt::format("{} epochs", fit.log().size()), seconds,
        fit.solved() ? validation_text(best) : fmt::format("best {} at epoch {}", validation_text(best), best.epoch),
        (folder / model_file).string());
  return exit_ok;
}

void add_train(CLI::App& app, Common& common, Run& run) {
  CLI::App& verb = add_verb(
      app, common, "train",
      "Train a model that reads the weights of networks and predicts a number about them, as their accuracy, or their "
      "class, or edits them",
      "  weft train --zoo zoo --model magep --out run\n"
      "  weft train --zoo zoo --model balanced-statnn --split 3 --out run-3\n"
      "  weft train --zoo inr --task edit --edit dilate --out editor",
      Runs::on_devices_and_ranks);
  auto o = std::make_shared<TrainOptions>();
  verb.add_option("zoo,--zoo", o->zoo, "folder of a zoo")->required()->type_name("DIR");
  std::vector<std::string> names, task_names;
  for (const ModelKind* kind : model_kinds()) names.emplace_back(kind->name);
  for (const Task* t : tasks()) task_names.emplace_back(t->name);
  task_names.emplace_back("edit");
  std::vector<std::string> edits;
  for (const Task* t : tasks())
    if (t->image) edits.emplace_back(std::string_view(t->name).substr(edit_prefix.size()));
  auto edit = std::make_shared<std::string>();
  CLI::Option* model = verb.add_option("--model", o->model, models_text())->check(CLI::IsMember(names));
  verb.add_option("--task", o->task,
                  "what it learns; when not given, to say the class where the zoo's networks have one, else the "
                  "accuracy; edit: what --edit says")
      ->check(CLI::IsMember(task_names));
  verb.add_option("--edit", *edit, "of --task edit: what the images of edited networks should become")
      ->check(CLI::IsMember(edits));
  add_output(verb, o->out, "folder for the model, its log and what it cost", true);
  verb.add_option("--split", o->split, "which of the zoo's five splits")->transform(split_limit());
  verb.add_option("--checkpoint", o->checkpoint,
                  "of every network, in zoos that name them: 50, 75, 100, best, or all; 75 when not given")
      ->type_name("NAME");
  verb.add_option("--train-networks", o->train_networks,
                  "of the split's training networks only so many, the first of the zoo; 0: all")
      ->transform(whole<std::int64_t>(0, std::numeric_limits<std::int64_t>::max()));
  SettingOptions of_models(verb), of_trainings(verb);
  for (const ModelKind* kind : model_kinds()) of_models.add(kind->name, kind->settings);
  for (const ModelKind* kind : model_kinds())
    if (!kind->solved) of_trainings.add(kind->name, training_settings(kind->name).list());
  verb.callback([=, &common, &run] {
    if (o->task == "edit" && edit->empty())
      throw UsageError("[train] --task edit needs --edit, what images should become; allowed: {}",
                       fmt::join(edits, ", "));
    if (o->task != "edit" && !edit->empty())
      throw UsageError("[train] --edit {} goes with --task edit alone; {}", *edit,
                       o->task.empty() ? "give both" : "here is --task " + o->task);
    if (o->task == "edit") o->task = edit_prefix + *edit;
    if (o->model.empty()) {
      const Zoo& zoo = o->opened.emplace(open_zoo(o->zoo));
      take_usual(model, o->model, usual_model(o->task.empty() ? usual_task(zoo) : task(o->task), zoo).name);
    }
    o->settings = model_settings(o->model);
    o->fit = training_settings(o->model);
    of_models.require(of_models.take(o->settings), "train", "model " + o->model);
    if (model_kind(o->model).solved) {
      of_trainings.require({}, "train", "model " + o->model);
    } else if (std::ranges::count(of_trainings.take(o->fit), "warmup") == 0) {
      o->fit.set("warmup", std::min(o->fit.whole("warmup"), o->fit.whole("epochs")));
    }
    run = [o, &common] { return train(*o, common); };
  });
}

}  // namespace weft::apps
