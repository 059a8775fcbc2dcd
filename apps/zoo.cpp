#include "weft/apps/zoo.h"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "weft/apps/run_folder.h"
#include "weft/core/progress.h"
#include "weft/zoo/glyphs.h"
#include "weft/zoo/make_zoo.h"
#include "weft/zoo/network_file.h"

namespace weft::apps {
namespace {

Dataset first(const Dataset& data, std::int64_t items, const char* option) {
  if (items < 1 || items > data.items())
    throw UsageError("[zoo] {} {}; '{}' has {}", option, items, data.name, data.items());
  return {data.name, data.images.slice(0, items), data.labels.slice(0, items), data.classes};
}

struct ShowOptions {
  std::string zoo;
};

int show(const ShowOptions& o, const Common& common) {
  const Zoo zoo = open_zoo(o.zoo);
  const ZooDescription& d = zoo.description();
  std::vector<double> last;
  std::int64_t diverged = 0, chance = 0, middle = 0;
  for (const auto& [network, row] : last_checkpoints(zoo)) {
    last.push_back(row->accuracy);
    diverged += row->diverged;
    chance += row->accuracy < 0.15;
    middle += row->accuracy >= 0.15 && row->accuracy < 0.6;
  }
  std::sort(last.begin(), last.end());
  if (common.json) {
    Json json{{"zoo", o.zoo},
              {"space", d.space.str()},
              {"architecture", d.architecture},
              {"activation", d.activation},
              {"data", d.data_name},
              {"seed", d.seed},
              {"networks", last.size()},
              {"checkpoints", zoo.rows().size()},
              {"diverged", diverged},
              {"settings", d.settings},
              {"accuracies", last}};
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
  fmt::print("  test accuracy    {:.3f} .. {:.3f} .. {:.3f} .. {:.3f} .. {:.3f} (quarters)\n", last.front(),
             quantile(0.25), quantile(0.5), quantile(0.75), last.back());
  fmt::print("  at chance (below 0.15) {:.0f} %, up to 0.6 {:.0f} %, {} diverged\n", share(chance), share(middle),
             diverged);
  return exit_ok;
}

struct ExportOptions {
  std::string zoo;
  OutputOption out;
  std::int64_t id = 0;
};

int export_network(const ExportOptions& o, const Common& common) {
  check_output(o.out, o.out.path);
  const Zoo zoo = open_zoo(o.zoo);
  if (o.id < 0 || o.id >= static_cast<std::int64_t>(zoo.rows().size()))
    throw UsageError("[zoo] id {}; '{}' has 0 to {}", o.id, o.zoo, zoo.rows().size() - 1);
  const std::int64_t ids[] = {o.id};
  const ZooRow& row = zoo.rows()[static_cast<std::size_t>(o.id)];
  NetworkFile{zoo.space(),
              zoo.weights(ids),
              {{"accuracy", fmt::format("{}", row.accuracy)},
               {"network", std::to_string(row.network)},
               {"epoch", std::to_string(row.epoch)}}}
      .save(o.out.path);
  if (common.json)
    fmt::print("{}\n", Json{{"out", o.out.path},
                            {"id", o.id},
                            {"network", row.network},
                            {"epoch", row.epoch},
                            {"accuracy", row.accuracy}}
                           .dump(1));
  else if (!common.quiet)
    fmt::print("{}: network {} after epoch {}, accuracy {:.3f}\n", o.out.path, row.network, row.epoch, row.accuracy);
  return exit_ok;
}

}  // namespace

TrainAndTest load_data(const ZooMakeOptions& o, std::uint64_t seed) {
  if (o.data == "glyphs")
    return {draw_glyphs(o.images, Key(seed, "glyphs.train")), draw_glyphs(o.test_images, Key(seed, "glyphs.test"))};
  if (o.data_dir.empty()) throw UsageError("[zoo] --data {} needs --data-dir, the folder of its files", o.data);
  TrainAndTest data;
  if (o.data == "mnist") {
    data = {load_mnist(o.data_dir, "train"), load_mnist(o.data_dir, "t10k")};
  } else {
    std::vector<std::string> batches;
    for (int i = 1; i <= 5; ++i) {
      const std::string batch = fmt::format("data_batch_{}", i), path = o.data_dir + "/" + batch + ".bin";
      if (std::filesystem::exists(path) || std::filesystem::exists(path + ".gz")) batches.push_back(batch);
    }
    if (batches.empty()) throw FormatError("[zoo] no data_batch_1.bin[.gz] in '{}'", o.data_dir);
    data = {load_cifar10(o.data_dir, batches), load_cifar10(o.data_dir, {"test_batch"})};
    if (o.data == "cifar10-grey") data = {grey(data.train), grey(data.test)};
  }
  return {first(data.train, o.images, "--images"), first(data.test, o.test_images, "--test-images")};
}

int make_zoo(const ZooMakeOptions& o, const Common& common) {
  check_unfinished(o.out, (std::filesystem::path(o.out.path) / "").parent_path().string() + ".part");
  check_output(o.out, (std::filesystem::path(o.out.path) / "zoo.json").string());
  catch_interrupts();
  const auto start = std::chrono::steady_clock::now();
  const TrainAndTest data = load_data(o, common.seed);
  CnnZooPlan plan;
  plan.networks = o.networks;
  plan.activation = o.activation == "tanh" ? UnaryOp::Tanh : UnaryOp::Relu;
  plan.training.epochs = o.epochs;
  plan.training.batch = o.batch;
  plan.training.seed = common.seed;
  plan.generator = "weft " WEFT_VERSION;
  using Existing = ZooWriter::Existing;
  const Existing existing = o.out.force ? Existing::replace : o.out.resume ? Existing::resume : Existing::refuse;
  {
    Progress bar("zoo", o.networks * o.epochs, "networks x epochs", common.progress());
    make_cnn_zoo(
        o.out.path, data.train, data.test, plan, existing,
        {.training = [&](std::int64_t done, std::int64_t) { bar.update(done); }, .safe_point = check_interrupt});
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (common.json || common.quiet) return common.json ? show({o.out.path}, common) : exit_ok;
  fmt::print("zoo made in {:.1f} s\n", seconds);
  return show({o.out.path}, common);
}

void add_zoo(CLI::App& app, Common& common, Run& run) {
  CLI::App& zoo = *app.add_subcommand("zoo", "Make zoos of trained networks, and look at them");
  zoo.require_subcommand(1);
  zoo.footer("Example:\n  weft zoo make --out zoo");
  CLI::App& make =
      add_verb(zoo, common, "make", "Train a zoo of small CNNs, as one population",
               "  weft zoo make --out zoo\n"
               "  weft zoo make --out zoo --data mnist --data-dir mnist --networks 600 --images 30000 --epochs 15");
  auto o = std::make_shared<ZooMakeOptions>();
  add_output(make, o->out, "folder of the zoo", true);
  make.add_option("--networks", o->networks, "how many")->check(at_least(1));
  make.add_option("--data", o->data, "drawn digits, or real images")
      ->check(CLI::IsMember({"glyphs", "mnist", "cifar10", "cifar10-grey"}));
  make.add_option("--data-dir", o->data_dir, "folder of the data set's files")->type_name("DIR");
  make.add_option("--images", o->images, "to train on")->check(at_least(1));
  make.add_option("--test-images", o->test_images, "to measure accuracies on")->check(at_least(1));
  make.add_option("--epochs", o->epochs, "passes over a network's share of the images")->check(at_least(1));
  make.add_option("--batch", o->batch, "images a step")->check(at_least(1));
  make.add_option("--activation", o->activation, "of the networks")->check(CLI::IsMember({"relu", "tanh"}));
  make.callback([o, &common, &run] { run = [o, &common] { return make_zoo(*o, common); }; });

  CLI::App& look =
      add_verb(zoo, common, "show", "What a zoo holds, and how its accuracies spread", "  weft zoo show --zoo zoo");
  auto s = std::make_shared<ShowOptions>();
  look.add_option("--zoo", s->zoo, "folder of a zoo")->required()->type_name("DIR");
  look.callback([s, &common, &run] { run = [s, &common] { return show(*s, common); }; });

  CLI::App& take = add_verb(zoo, common, "export", "Write one checkpoint of a zoo as a network file",
                            "  weft zoo export --zoo zoo --id 12 --out net.safetensors");
  auto e = std::make_shared<ExportOptions>();
  take.add_option("--zoo", e->zoo, "folder of a zoo")->required()->type_name("DIR");
  take.add_option("--id", e->id, "of the checkpoint, as in the table")->required();
  add_output(take, e->out, "file for the network", false);
  take.callback([e, &common, &run] { run = [e, &common] { return export_network(*e, common); }; });
}

}  // namespace weft::apps
