// weft fold: a network's norms moved into what reads them, and one point of every shift's orbit.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "weft/apps/command.h"
#include "weft/apps/network_option.h"
#include "weft/apps/run_folder.h"
#include "weft/zoo/fold_network.h"

namespace weft::apps {
namespace {

struct FoldOptions {
  std::string network;
  NetworkOptions reading;
  OutputOption out;
};

std::filesystem::path config_of(const std::filesystem::path& network) {
  return network.parent_path() / (network.stem().native() + ".config.json");
}

/// What the config says now, beside the folded network: a program that took its old one would tie tensors again.
Json changed_config(const std::map<std::string, weft::Json>& changes, const weft::Json& old) {
  Json config = Json::parse(old.dump());
  for (const auto& [name, value] : changes) config[name] = Json::parse(value.dump());
  return config;
}

int fold_file(const FoldOptions& o, const Common& common) {
  const NetworkReading how = reading(o.reading);
  const NetworkFile whole = load_known_network(o.network, how, common);
  const std::vector<std::filesystem::path> inputs = files_read(o.network, o.reading);
  check_output_file(o.out, inputs);
  const FoldedNetwork folded = fold(whole);
  const NetworkFile& network = folded.network;
  const std::string& name = network.source->architecture.name;
  std::filesystem::path config;
  if (!folded.config.empty()) {
    config = config_of(o.out.path);
    check_output_file({config.string(), o.out.force, false}, inputs);
  }
  network.save(o.out.path);
  if (!config.empty()) write_json(config, changed_config(folded.config, how.config.value_or(config_beside(o.network))));
  if (common.json) {
    Json json{{"out", utf8_text(o.out.path)},
              {"architecture", name},
              {"folded", folded.done},
              {"not_folded", folded.left},
              {"space", network.space.str()}};
    if (!config.empty()) json["config"] = utf8_text(config.native());
    fmt::print("{}\n", json.dump(1));
  } else if (!common.quiet) {
    for (const std::string& done : folded.done) fmt::print("  {}\n", done);
    for (const std::string& why : folded.left) fmt::print("  stays: {}\n", why);
    if (!config.empty())
      fmt::print("{}: says what changed in the config; other programs need it, too\n", config.string());
    fmt::print("{}: {}\n", o.out.path, in_words(network));
  }
  return exit_ok;
}

}  // namespace

void add_fold(CLI::App& app, Common& common, Run& run) {
  CLI::App& verb =
      add_verb(app, common, "fold", "Move norms into what reads them: the same function, and a larger group",
               "  weft fold model.safetensors --out folded.safetensors\n"
               "  weft act folded.safetensors --out rotated.safetensors");
  auto o = std::make_shared<FoldOptions>();
  add_network(verb, o->network);
  add_network_options(verb, o->reading, false);
  add_output(verb, o->out, "file for the folded network, with the names and types of numbers that it has", false);
  verb.callback([o, &common, &run] { run = [o, &common] { return fold_file(*o, common); }; });
}

}  // namespace weft::apps
