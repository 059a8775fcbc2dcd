// weft act: a group element moves one network; its function stays.

#include "weft/ops/act.h"

#include <fmt/format.h>

#include "weft/apps/command.h"
#include "weft/apps/network_option.h"
#include "weft/apps/numbers.h"
#include "weft/apps/run_folder.h"
#include "weft/tasks/moves.h"
#include "weft/zoo/element_file.h"

namespace weft::apps {
namespace {

struct ActOptions {
  std::string network, element, save_element;
  NetworkOptions reading;
  OutputOption out;
  int strength = 1;
};

int act_on_file(const ActOptions& o, const Common& common) {
  NetworkFile network = load_known_network(o.network, reading(o.reading), common);
  std::vector<std::filesystem::path> inputs = files_read(o.network, o.reading);
  inputs.emplace_back(o.element);
  check_output_file(o.out, inputs);
  if (!o.save_element.empty()) {
    const auto whole = [](const std::string& path) { return std::filesystem::absolute(path).lexically_normal(); };
    if (whole(o.save_element) == whole(o.out.path))
      throw UsageError("[act] --out and --save-element are both '{}'; choose two files", o.out.path);
    check_output_file({o.save_element, o.out.force, false}, inputs);
  }
  const Element g = o.element.empty() ? random_element(network.space, 0, o.strength, common.seed)
                                      : load_element(o.element, network.space);
  network.weights = act(g, network.weights);
  network.save(o.out.path);
  if (!o.save_element.empty()) save_element(o.save_element, g);
  if (common.json) {
    Json json{{"out", utf8_text(o.out.path)}, {"space", network.space.str()}};
    if (o.element.empty()) {
      json["strength"] = o.strength;
      json["seed"] = common.seed;
    } else {
      json["element"] = utf8_text(o.element);
    }
    fmt::print("{}\n", json.dump(1));
  } else if (!common.quiet) {
    fmt::print("{}: moved by {} of\n  {}\n", o.out.path,
               o.element.empty() ? "an element" : "the element in " + o.element, in_words(network));
  }
  return exit_ok;
}

}  // namespace

void add_act(CLI::App& app, Common& common, Run& run) {
  CLI::App& verb = add_verb(
      app, common, "act", "Move a network by an element of its group: other weights, the same function",
      "  weft act model.safetensors --out moved.safetensors --seed 7\n"
      "  weft act pytorch_model.bin --model-config config.json --out moved.safetensors --save-element g.safetensors");
  auto o = std::make_shared<ActOptions>();
  add_network(verb, o->network);
  add_network_options(verb, o->reading, true);
  add_output(verb, o->out, "file for the moved network, with the names and types of numbers that it has", false);
  CLI::Option* element = verb.add_option("--element", o->element,
                                         "a file with the element, as --save-element writes it; else it is random")
                             ->type_name("FILE");
  verb.add_option("--save-element", o->save_element, "file for the element: FACTOR.order, .scale, .matrix, .re and .im")
      ->type_name("FILE");
  verb.add_option("--strength", o->strength,
                  "k: positive scales U[1, 10^k]; signs and GL elements from 1 on; 0 permutes only")
      ->transform(strength_limit())
      ->excludes(element);
  verb.callback([o, &common, &run] { run = [o, &common] { return act_on_file(*o, common); }; });
}

}  // namespace weft::apps
