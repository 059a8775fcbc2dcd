#include "weft/apps/command.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <filesystem>

namespace weft::apps {
namespace {

volatile std::sig_atomic_t interrupted = 0;

void on_interrupt(int) { interrupted = 1; }

}  // namespace

void check_interrupt() {
  if (interrupted) throw Interrupted("interrupted; what was saved is kept, --resume goes on from there");
}

void catch_interrupts() {
  struct sigaction action = {};
  action.sa_handler = on_interrupt;
  action.sa_flags = SA_RESETHAND;  // a second Ctrl-C ends the program at once
  sigaction(SIGINT, &action, nullptr);
}

CLI::App& add_verb(CLI::App& app, Common& common, const std::string& name, const std::string& description,
                   const std::string& example, Runs runs) {
  CLI::App& verb = *app.add_subcommand(name, description);
  verb.footer("Example:\n" + example);
  verb.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast)->always_capture_default();
  const char* group = "Options of every verb";
  verb.add_option("--seed", common.seed, "all randomness follows from it")->check(at_least(0))->group(group);
  verb.add_option("--threads", common.threads, "number of threads; 0: all")->check(at_least(0))->group(group);
  const std::string devices = runs == Runs::on_devices ? "cpu, cuda or cuda:N" : "cpu, so far";
  verb.add_option("--device", common.device, "where it runs: " + devices + "; the default is WEFT_DEVICE")
      ->group(group);
  if (runs == Runs::on_devices) {
    common.on_devices.insert(&verb);
    verb.add_option("--products", common.products,
                    "factors of float32 products on a device: full, or rounded to 11 bits (tf32) or 8 (bf16)")
        ->check(CLI::IsMember(std::vector<std::string>(std::begin(precision_names), std::end(precision_names))))
        ->group(group);
  }
  verb.add_flag("--json", common.json, "print the result as JSON")->group(group);
  verb.add_flag("--quiet", common.quiet, "no progress, no remarks")->group(group);
  verb.add_option_function<std::string>(
          "--config", [](const std::string&) {}, "options from a JSON file; those given by hand win")
      ->type_name("FILE")
      ->group(group);
  verb.add_flag_function(
          "--print-config", [](std::int64_t) {}, "print the options as --config reads them, and stop")
      ->group(group);
  return verb;
}

void add_output(CLI::App& verb, OutputOption& output, const std::string& what, bool resumable) {
  verb.add_option("--out", output.path, what)
      ->required()
      ->type_name("PATH")
      ->check(CLI::Validator([](std::string& path) { return path.empty() ? "no path" : ""; }, ""));
  verb.add_flag("--force", output.force, "replace what is there");
  if (resumable) verb.add_flag("--resume", output.resume, "go on where an interrupted run stopped");
}

void check_output(const OutputOption& output, const std::string& file) {
  if (!output.force && !output.resume && std::filesystem::exists(file))
    throw UsageError("[weft] '{}' exists; give --force to replace it, or another --out", file);
}

void check_unfinished(const OutputOption& output, const std::string& file) {
  if (output.force && output.resume) throw UsageError("[weft] --force and --resume; allowed: one of them");
  if (!output.force && !output.resume && std::filesystem::exists(file))
    throw UsageError("[weft] '{}' is unfinished; give --resume to go on, --force to start anew, or another --out",
                     file);
}

CLI::Validator at_least(std::int64_t low) {
  auto check = [low](const std::string& text) -> std::string {
    std::int64_t n = low;
    std::from_chars(text.data(), text.data() + text.size(), n);  // what is no number is CLI11's to refuse
    return n < low ? fmt::format("{}; allowed: {} or more", text, low) : "";
  };
  return CLI::Validator(check, "");
}

CLI::Validator positive() {
  auto check = [](const std::string& text) -> std::string {
    const double x = std::strtod(text.c_str(), nullptr);
    return x > 0 && std::isfinite(x) ? "" : fmt::format("{}; allowed: finite numbers above 0", text);
  };
  return CLI::Validator(check, "");
}

}  // namespace weft::apps
