// weft act: a random group element moves one network; its function stays.

#include "weft/ops/act.h"

#include <fmt/format.h>

#include "weft/apps/command.h"
#include "weft/apps/network_option.h"
#include "weft/apps/numbers.h"
#include "weft/apps/run_folder.h"
#include "weft/tasks/moves.h"

namespace weft::apps {
namespace {

struct ActOptions {
  std::string network, space;
  OutputOption out;
  int strength = 1;
};

int act_on_file(const ActOptions& o, const Common& common) {
  NetworkFile network = load_network(o.network, given_space(o.space));
  check_output_file(o.out);
  const std::int64_t ids[] = {0};
  network.weights = moved_networks(network.space, network.weights, ids, o.strength, common.seed);
  network.save(o.out.path);
  if (common.json)
    fmt::print("{}\n", Json{{"out", utf8_text(o.out.path)},
                            {"space", network.space.str()},
                            {"strength", o.strength},
                            {"seed", common.seed}}
                           .dump(1));
  else if (!common.quiet)
    fmt::print("{}: moved by an element of\n  {}\n", o.out.path, network.space.str());
  return exit_ok;
}

}  // namespace

void add_act(CLI::App& app, Common& common, Run& run) {
  CLI::App& verb =
      add_verb(app, common, "act", "Move a network by a random element of its group: other weights, the same function",
               "  weft act net.safetensors --out moved.safetensors --seed 7");
  auto o = std::make_shared<ActOptions>();
  verb.add_option("network,--network", o->network, "a safetensors file that names its space")
      ->required()
      ->type_name("FILE");
  add_space(verb, o->space);
  add_output(verb, o->out, "file for the moved network", false);
  verb.add_option("--strength", o->strength,
                  "k: positive scales U[1, 10^k]; signs and GL elements from 1 on; 0 permutes only")
      ->transform(strength_limit());
  verb.callback([o, &common, &run] { run = [o, &common] { return act_on_file(*o, common); }; });
}

}  // namespace weft::apps
