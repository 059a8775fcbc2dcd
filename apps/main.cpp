// The command line: weft VERB [options]. What a verb does stands in its own file; what it needs of weft is in the
// library.

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <iostream>
#include <new>
#include <system_error>

#include <fmt/format.h>

#include "weft/apps/arguments.h"
#include "weft/apps/colour.h"
#include "weft/apps/command.h"
#include "weft/apps/config.h"
#include "weft/apps/help.h"
#include "weft/apps/interrupt.h"
#include "weft/apps/job.h"
#include "weft/apps/version.h"
#include "weft/core/parallel.h"

namespace weft::apps {

namespace {

constexpr const char* description =
    "weft: networks that read networks.\n"
    "Make a zoo of small trained networks, train a model that predicts their accuracy from their weights alone, and "
    "prove\n"
    "that it respects the symmetries of weights.";

constexpr const char* footer =
    "Start here:\n"
    "  weft demo --out demo              the whole story in a few minutes; open demo/report.html\n"
    "  weft zoo make --out zoo           a zoo of small CNNs\n"
    "  weft train --zoo zoo --model magep --out run\n"
    "  weft verify --model run/model.safetensors\n"
    "  weft VERB --help                  options and an example of each verb\n"
    "Exit codes: 0 ok, 1 FAIL or different, 2 usage, 3 input, 4 numeric, 5 disk, 6 device, 7 ranks, 130 interrupted";

int fail(int code, const std::string& message) {
  let_first_speak();
  std::fputs(fmt::format("{} {}\n", coloured(stderr, Colour::bad, speaker()), message).c_str(),
             stderr);  // nobody to tell when it is closed
  leave_job(code);
  return code;
}

Backend* backend_for(const CLI::App& verb, const Common& common) {
  Device device = parse_device(common.device);
  // The ranks of a machine take its devices in turn.
  if (common.device == "cuda")
    device.index = common.rank_on_machine % std::max(1, static_cast<int>(cuda_state().devices.size()));
  if (device.kind != Device::Kind::cpu && !common.on_devices.contains(&verb))
    throw DeviceError("[device] '{}': weft {} runs on the CPU only so far; allowed: cpu", device.str(), name_of(verb));
  Backend* backend = backend_of(device);
  if (!backend && common.products != name(ProductPrecision::full))
    throw UsageError("[products] {} on cpu, whose products are float32 throughout; allowed: full, or --device cuda",
                     common.products);
  const auto* chosen = std::find(std::begin(precision_names), std::end(precision_names), common.products);
  if (backend) backend->precision = static_cast<ProductPrecision>(chosen - std::begin(precision_names));
  return backend;
}

int run(int argc, char** argv) {
  CLI::App app(description, "weft");
  app.footer(footer);
  app.formatter(std::make_shared<HelpFormatter>());  // of verbs, too
  app.set_version_flag("--version", version_text);
  app.require_subcommand(1);
  Common common;
  common.device = default_device();
  Run verb;
  for (auto add : {add_demo, add_zoo, add_train, add_eval, add_predict, add_edit, add_inspect, add_act, add_fold,
                   add_same, add_verify, add_report, add_bench, add_generate})
    add(app, common, verb);

  auto [verb_chosen, arguments] = read_arguments(app, argc, argv);
  const CLI::App& chosen = *verb_chosen;
  std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
  try {
    app.parse(arguments);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    const std::string name = name_of(chosen);
    return fail(exit_usage,
                fmt::format("[{0}] {1}\nRun weft {0} --help for the options and an example.", name, error.what()));
  }
  if (chosen.get_option_no_throw("--print-config") && chosen.count("--print-config")) {
    fmt::print("{}\n", config_text(chosen));
    return exit_ok;
  }
  if (common.threads > 0) set_threads(common.threads);
  join_job(chosen, common);  // an error from here on ends all ranks
  common.backend = backend_for(chosen, common);
  return verb();
}

/// What was printed must have arrived.
int finished(int code) {
  std::cout.flush();
  if (std::fflush(stdout) != 0 || !std::cout)
    throw DiskError("[weft] the result cannot be written; is the disk of its file full?");
  return code;
}

}  // namespace
}  // namespace weft::apps

int main(int argc, char** argv) {
  using namespace weft;
  using namespace weft::apps;
  std::signal(SIGXFSZ, SIG_IGN);  // a file beyond the user's limit is a disk error
  try {
    return finished(run(argc, argv));
  } catch (const Interrupted& error) {
    return fail(exit_interrupted, error.what());
  } catch (const UsageError& error) {
    return fail(exit_usage, error.what());
  } catch (const NumericError& error) {
    return fail(exit_numeric, error.what());
  } catch (const ReadError& error) {
    return fail(exit_input, error.what());
  } catch (const DiskError& error) {
    return fail(exit_disk, error.what());
  } catch (const DeviceError& error) {
    return fail(exit_device, error.what());
  } catch (const RankError& error) {
    return fail(exit_ranks, error.what());
  } catch (const Error& error) {  // shapes, dtypes, types, texts, formats: all of them come from what was read
    return fail(exit_input, error.what());
  } catch (const std::system_error& error) {  // of folders, and of a standard output that takes nothing
    return fail(exit_disk, error.what());
  } catch (const std::bad_alloc&) {
    return fail(exit_input, "[weft] not enough memory; ask for fewer networks or images, smaller batches or layers");
  } catch (const std::exception& error) {
    return fail(exit_input, error.what());
  }
}
