// weft bench: the time of a training step of the published benchmark models.

#include <fmt/format.h>

#include "weft/apps/command.h"
#include "weft/apps/numbers.h"
#include "weft/apps/step_timing.h"

namespace weft::apps {

void add_bench(CLI::App& app, Common& common, Run& run) {
  CLI::App& bench = *app.add_subcommand("bench", "Measure how fast this machine trains");
  bench.require_subcommand(1);
  bench.footer("Example:\n  weft bench step cnn");
  CLI::App& verb =
      add_verb(bench, common, "step", "Time one training step (forward, backward, Adam) of a benchmark model",
               "  weft bench step cnn\n"
               "  weft bench step inr --seconds 20",
               Runs::on_devices);
  struct Options {
    std::string model;
    double seconds = 10;
  };
  auto o = std::make_shared<Options>();
  verb.add_option(
          "model", o->model,
          "cnn: accuracy predictor, batch 8; inr: classifier of SIRENs, batch 32; transformer1, transformer2: accuracy "
          "predictor of transformers with one or two equivariant layers, batch 16")
      ->required()
      ->check(CLI::IsMember({"cnn", "inr", "transformer1", "transformer2"}));
  verb.add_option("--seconds", o->seconds, "how long to measure")->check(positive(86400, "a day"));
  verb.callback([o, &common, &run] {
    run = [o, &common] {
      const StepTiming t = time_step(o->model, o->seconds, common.backend);
      for (const std::string& slow : t.fallbacks) common.remark("slow: " + slow);
      if (common.json)
        fmt::print(
            "{{\"name\": \"{}\", \"parameters\": {}, \"min_ms\": {:.4f}, \"median_ms\": {:.4f}, \"peak_mib\": "
            "{:.1f}}}\n",
            t.name, t.parameters, 1e3 * t.min_s, 1e3 * t.median_s, t.peak_mib);
      else
        fmt::print("{}\n", str(t));
      return exit_ok;
    };
  });
}

}  // namespace weft::apps
