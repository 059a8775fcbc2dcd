// The command line: weft VERB [options]. What a verb does stands in its own file; what it needs of weft is in the
// library.

#include <algorithm>

#include <fmt/format.h>

#include "weft/apps/command.h"
#include "weft/apps/config.h"
#include "weft/core/parallel.h"

namespace weft::apps {

void catch_interrupts();

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
    "Exit codes: 0 ok, 1 FAIL or different, 2 usage, 3 input, 4 numeric, 5 disk, 6 device, 130 interrupted";

/// The verb that was given, innermost first ("zoo make").
const CLI::App* verb_of(const CLI::App& app) {
  const CLI::App* verb = &app;
  while (!verb->get_subcommands().empty()) verb = verb->get_subcommands().front();
  return verb;
}

int fail(int code, const std::string& message) {
  fmt::print(stderr, "weft: {}\n", message);
  return code;
}

int run(int argc, char** argv) {
  CLI::App app(description, "weft");
  app.footer(footer);
  app.set_version_flag("--version", "weft " WEFT_VERSION);
  app.require_subcommand(1);
  Common common;
  Run verb;
  for (auto add : {add_demo, add_zoo, add_train, add_eval, add_predict, add_act, add_verify, add_report, add_bench})
    add(app, common, verb);

  std::vector<std::string> arguments = with_config_files(argc, argv);
  std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
  try {
    app.parse(arguments);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    return fail(exit_usage, fmt::format("{}\nRun with --help for the options and an example.", error.what()));
  }
  if (verb_of(app)->count("--print-config")) {
    fmt::print("{}\n", config_text(*verb_of(app)));
    return exit_ok;
  }
  if (common.device != "cpu") throw DeviceError("[device] '{}'; this build has: cpu", common.device);
  if (common.threads > 0) set_threads(common.threads);
  catch_interrupts();
  return verb();
}

}  // namespace
}  // namespace weft::apps

int main(int argc, char** argv) {
  using namespace weft;
  using namespace weft::apps;
  try {
    return run(argc, argv);
  } catch (const Interrupted& error) {
    return fail(exit_interrupted, error.what());
  } catch (const UsageError& error) {
    return fail(exit_usage, error.what());
  } catch (const NumericError& error) {
    return fail(exit_numeric, error.what());
  } catch (const DiskError& error) {
    return fail(exit_disk, error.what());
  } catch (const DeviceError& error) {
    return fail(exit_device, error.what());
  } catch (const Error& error) {  // shapes, dtypes, types, texts, formats: all of them come from what was read
    return fail(exit_input, error.what());
  } catch (const std::exception& error) {
    return fail(exit_input, error.what());
  }
}
