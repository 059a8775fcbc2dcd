#include "weft/apps/zoo.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "weft/apps/numbers.h"
#include "weft/apps/run_folder.h"
#include "weft/apps/setting_options.h"
#include "weft/data/source.h"
#include "weft/zoo/network_file.h"

namespace weft::apps {
namespace {

/// Below it an accuracy is hardly better than a guess: half as much again. 0 for one output, where there is no class to
/// be guessed.
double chance_of(const Space& space) {
  for (const Factor& factor : space.factors())
    if (factor.name == "out" && factor.size > 1) return 1.5 / static_cast<double>(factor.size);
  return 0;
}

}  // namespace

int show_zoo(const ShowOptions& o, const Common& common) {
  const Zoo zoo = open_zoo(o.zoo);
  const ZooDescription& d = zoo.description();
  const bool implicit = d.views > 0;
  const double at_chance = chance_of(d.space);
  std::vector<double> last;
  double sum = 0;
  std::int64_t diverged = 0, chance = 0, middle = 0;
  for (const auto& [network, row] : last_checkpoints(zoo)) {
    last.push_back(implicit ? row->psnr : row->accuracy);
    sum += last.back();
    diverged += row->diverged;
    chance += row->accuracy < at_chance;
    middle += row->accuracy >= at_chance && row->accuracy < 0.6;
  }
  std::sort(last.begin(), last.end());
  if (common.json) {
    Json json{{"zoo", utf8_text(o.zoo)},
              {"space", d.space.str()},
              {"architecture", d.architecture},
              {"activation", d.activation},
              {"data", d.data_name},
              {"seed", d.seed},
              {"networks", last.size()},
              {"checkpoints", zoo.rows().size()},
              {"diverged", diverged},
              {"settings", d.settings},
              {implicit ? "psnr" : "accuracies", last}};
    if (implicit) json["views"] = d.views;
    fmt::print("{}\n", json.dump(1));
    return exit_ok;
  }
  const auto share = [&](std::int64_t n) { return 100. * static_cast<double>(n) / static_cast<double>(last.size()); };
  const auto quantile = [&](double q) {
    return last[static_cast<std::size_t>(q * static_cast<double>(last.size() - 1))];
  };
  fmt::print("'{}': {} networks ({}, {}) on {}, {} checkpoints, seed {}, by {}\n  {}\n  {} parameters each\n", o.zoo,
             last.size(), d.architecture, d.activation, d.data_name, zoo.rows().size(), d.seed, d.generator,
             d.space.str(), d.space.parameters());
  for (const auto& [key, value] : d.settings) fmt::print("  {:<16} {}\n", key, value);
  if (implicit) {
    fmt::print("  PSNR (dB)        {:.1f} .. {:.1f} .. {:.1f} .. {:.1f} .. {:.1f} (quarters), mean {:.2f}\n",
               last.front(), quantile(0.25), quantile(0.5), quantile(0.75), last.back(),
               sum / static_cast<double>(last.size()));
    fmt::print("  {} images, {} networks each, {} diverged\n", zoo.images().dim(0), d.views, diverged);
    return exit_ok;
  }
  fmt::print("  test accuracy    {:.3f} .. {:.3f} .. {:.3f} .. {:.3f} .. {:.3f} (quarters)\n", last.front(),
             quantile(0.25), quantile(0.5), quantile(0.75), last.back());
  const std::string guessed =
      at_chance > 0 ? fmt::format("at chance (below {:.4g}) {:.0f} %, ", at_chance, share(chance)) : "";
  fmt::print("  {}up to 0.6 {:.0f} %, {} diverged\n", guessed, share(middle), diverged);
  return exit_ok;
}

namespace {

int check_zoo(const ShowOptions& o, const Common& common) {
  const Zoo zoo = open_zoo(o.zoo);
  zoo.check();
  if (common.json)
    fmt::print("{}\n",
               Json{{"zoo", utf8_text(o.zoo)}, {"checkpoints", zoo.rows().size()}, {"hash", zoo.hash()}}.dump(1));
  else if (!common.quiet)
    fmt::print("'{}': {} checkpoints, all as they were written, hash {}\n", o.zoo, zoo.rows().size(), zoo.hash());
  return exit_ok;
}

struct ExportOptions {
  std::string zoo;
  OutputOption out;
  std::int64_t id = 0;
};

int export_network(const ExportOptions& o, const Common& common) {
  const Zoo zoo = open_zoo(o.zoo);
  check_output_file(o.out);
  const std::int64_t ids[] = {o.id};
  const ZooRow& row = zoo.row(o.id);
  const bool implicit = zoo.description().views > 0;
  const char* measured = implicit ? "psnr" : "accuracy";
  const double value = implicit ? row.psnr : row.accuracy;
  NetworkFile{zoo.space(),
              zoo.weights(ids),
              {{measured, fmt::format("{}", value)},
               {"activation", zoo.description().activation},
               {"network", std::to_string(row.network)},
               {"epoch", std::to_string(row.epoch)}}}
      .save(o.out.path);
  if (common.json)
    fmt::print("{}\n", Json{{"out", utf8_text(o.out.path)},
                            {"id", o.id},
                            {"network", row.network},
                            {"epoch", row.epoch},
                            {measured, value}}
                           .dump(1));
  else if (!common.quiet)
    fmt::print("{}: network {} after epoch {}, {} {:.3f}\n", o.out.path, row.network, row.epoch, measured, value);
  return exit_ok;
}

}  // namespace

namespace {

/// "how many; cnn: 300, vit: 300, text: 200"
std::string usual(const std::string& text, std::int64_t UsualZoo::*number) {
  std::string all;
  for (const InputArchitecture* kind : input_architectures())
    if (kind->usual.*number > 0)
      all += fmt::format("{}{}: {}", all.empty() ? "" : ", ", kind->name, kind->usual.*number);
  return text + "; " + all;
}

}  // namespace

/// "2/4"
void read_part(const std::string& text, ZooRequest& request) {
  const char* end = text.data() + text.size();
  const auto [slash, wrong] = std::from_chars(text.data(), end, request.part);
  if (wrong == std::errc() && slash != end && *slash == '/')
    if (const auto [rest, bad] = std::from_chars(slash + 1, end, request.parts);
        bad == std::errc() && rest == end && request.parts > 0)
      return;
  throw CLI::ValidationError("--part", fmt::format("'{}'; allowed: two whole numbers, as in 2/4", text));
}

void add_zoo(CLI::App& app, Common& common, Run& run) {
  CLI::App& zoo = *app.add_subcommand("zoo", "Make zoos of trained networks, and look at them");
  zoo.require_subcommand(1);
  zoo.footer("Example:\n  weft zoo make --out zoo");
  CLI::App& make =
      add_verb(zoo, common, "make", "Train a zoo of small networks, as one population",
               "  weft zoo make --out zoo\n"
               "  weft zoo make --out zoo --kind vit --networks 30\n"
               "  weft zoo make --out zoo --kind siren --images 2000\n"
               "  weft zoo make --out zoo --data mnist --data-dir mnist --networks 600 --images 30000 --epochs 15",
               Runs::on_devices_and_ranks);
  auto out = std::make_shared<OutputOption>();
  auto o = std::make_shared<ZooRequest>();
  add_output(make, *out, "folder of the zoo", true, true);
  std::vector<std::string> kinds, sources;
  std::string of_kinds, of_sources;
  for (const InputArchitecture* kind : input_architectures()) {
    kinds.emplace_back(kind->name);
    of_kinds += fmt::format("{}{}: {}", of_kinds.empty() ? "" : "; ", kind->name, kind->text);
  }
  for (const DataSource* source : data_sources()) {
    sources.emplace_back(source->name);
    of_sources += fmt::format("{}{}: {}", of_sources.empty() ? "" : "; ", source->name, source->text);
  }
  make.add_option("--kind", o->kind, of_kinds)->check(CLI::IsMember(kinds));
  CLI::Option* networks =
      make.add_option("--networks", o->networks, usual("how many", &UsualZoo::networks))->transform(networks_limit());
  CLI::Option* data = make.add_option("--data", o->data, of_sources)->check(CLI::IsMember(sources));
  make.add_option("--data-dir", o->data_folder, "folder of the data set's files")->type_name("DIR");
  CLI::Option* images = make.add_option("--images", o->images, usual("images or texts to train on", &UsualZoo::items))
                            ->transform(items_limit());
  CLI::Option* test_images =
      make.add_option("--test-images", o->test_images, usual("to measure accuracies on", &UsualZoo::test_items))
          ->transform(items_limit());
  CLI::Option* epochs =
      make.add_option("--epochs", o->epochs,
                      usual("passes over a network's share of the images, or its image's pixels", &UsualZoo::epochs))
          ->transform(epochs_limit());
  CLI::Option* batch =
      make.add_option("--batch", o->batch, usual("images or texts a step, of siren pixels", &UsualZoo::batch))
          ->transform(batch_limit());
  CLI::Option* held_out =
      make.add_option("--held-out", o->held_out, usual("of --images, to find the best epoch on", &UsualZoo::held_out))
          ->transform(items_limit());
  make.add_option_function<std::string>(
          "--part", [o](const std::string& text) { read_part(text, *o); },
          "i/N: only part i of N; weft zoo merge joins the parts")
      ->type_name("i/N");
  make.add_option_function<std::string>(
          "--grid", [o](const std::string& which) { o->full_grid = which == "full"; },
          "of vit and text: sample, where each network's recipe is drawn from the grid, or full, every run of it, or "
          "the "
          "first --networks of them in an order drawn from the seed")
      ->check(CLI::IsMember({"sample", "full"}))
      ->default_str("sample");
  auto dry_run = std::make_shared<bool>(false);
  make.add_flag("--dry-run", *dry_run, "only say what it would cost: a few networks are trained for a moment");
  make.get_option("--out")->required(false);  // unless it is dry
  SettingOptions of_architectures(make);
  for (const InputArchitecture* kind : input_architectures()) of_architectures.add(kind->name, kind->settings);
  make.callback([=, &common, &run] {
    o->settings = architecture_settings(o->kind);
    of_architectures.require(of_architectures.take(o->settings), "zoo", "kind " + o->kind);
    const CompleteZooRequest all = completed_options(*o);
    // Where images say how many networks there are, neither these nor test images are to be given.
    if (!o->settings.has("views")) {
      take_usual(networks, o->networks, all.networks);
      take_usual(test_images, o->test_images, all.test_images);
    }
    take_usual(data, o->data, all.data->name);
    take_usual(images, o->images, all.images);
    take_usual(epochs, o->epochs, all.epochs);
    take_usual(batch, o->batch, all.batch);
    if (all.kind->usual.held_out > 0) take_usual(held_out, o->held_out, all.held_out);
    if (!*dry_run && out->path.empty()) throw CLI::RequiredError("out");
    run = [out, all, dry_run, &common] { return *dry_run ? show_cost(all, common) : make_zoo(*out, all, common); };
  });

  CLI::App& merge = add_verb(zoo, common, "merge", "Join the parts of a zoo, made by zoo make --part",
                             "  weft zoo make --out part-1 --part 1/2\n"
                             "  weft zoo make --out part-2 --part 2/2\n"
                             "  weft zoo merge part-1 part-2 --out zoo");
  auto m = std::make_shared<MergeOptions>();
  merge.add_option("parts,--parts", m->parts, "folders of all parts, in any order")->required()->type_name("DIR");
  add_output(merge, m->out, "folder of the zoo", false);
  merge.callback([m, &common, &run] { run = [m, &common] { return merge_parts(*m, common); }; });

  CLI::App& look =
      add_verb(zoo, common, "show", "What a zoo holds, and how its accuracies spread", "  weft zoo show zoo");
  auto s = std::make_shared<ShowOptions>();
  look.add_option("zoo,--zoo", s->zoo, "folder of a zoo")->required()->type_name("DIR");
  look.callback([s, &common, &run] { run = [s, &common] { return show_zoo(*s, common); }; });

  CLI::App& check =
      add_verb(zoo, common, "check", "Read all of a zoo, which opening it does not, and find what was damaged",
               "  weft zoo check zoo");
  auto c = std::make_shared<ShowOptions>();
  check.add_option("zoo,--zoo", c->zoo, "folder of a zoo")->required()->type_name("DIR");
  check.callback([c, &common, &run] { run = [c, &common] { return check_zoo(*c, common); }; });

  CLI::App& take = add_verb(zoo, common, "export", "Write one checkpoint of a zoo as a network file",
                            "  weft zoo export zoo --id 12 --out net.safetensors");
  auto e = std::make_shared<ExportOptions>();
  take.add_option("zoo,--zoo", e->zoo, "folder of a zoo")->required()->type_name("DIR");
  take.add_option("--id", e->id, "of the checkpoint, as in the table")
      ->required()
      ->transform(whole(std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()));
  add_output(take, e->out, "file for the network", false);
  take.callback([e, &common, &run] { run = [e, &common] { return export_network(*e, common); }; });
}

}  // namespace weft::apps
