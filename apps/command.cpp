#include "weft/apps/command.h"

#include "weft/apps/numbers.h"
#include "weft/io/atomic_file.h"

namespace weft::apps {

void Common::remark(const std::string& text) const {
  if (!quiet) std::fputs(fmt::format("weft: {}\n", text).c_str(), stderr);  // nobody to tell when it is closed
}

CLI::App& add_verb(CLI::App& app, Common& common, const std::string& name, const std::string& description,
                   const std::string& example, Runs runs) {
  CLI::App& verb = *app.add_subcommand(name, description);
  verb.footer("Example:\n" + example);
  verb.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast)->always_capture_default();
  const char* group = "Options of every verb";
  verb.add_option("--seed", common.seed, "all randomness follows from it")
      ->transform(whole<std::uint64_t>(0, std::numeric_limits<std::uint64_t>::max(), "it has 64 bits"))
      ->group(group);
  verb.add_option("--threads", common.threads, "number of threads; 0: all")
      ->transform(whole<std::int64_t>(0, 1024, "no machine runs more"))
      ->group(group);
  const bool on_devices = runs != Runs::on_cpu;
  const std::string devices = on_devices ? "cpu, cuda or cuda:N" : "cpu, so far";
  verb.add_option("--device", common.device, "where it runs: " + devices + "; the default is WEFT_DEVICE")
      ->group(group);
  if (on_devices) {
    common.on_devices.insert(&verb);
    verb.add_option("--products", common.products,
                    "factors of float32 products on a device: full, or rounded to 11 bits (tf32) or 8 (bf16)")
        ->check(CLI::IsMember(std::vector<std::string>(std::begin(precision_names), std::end(precision_names))))
        ->group(group);
  }
  if (runs == Runs::on_devices_and_ranks) {
    common.on_ranks.insert(&verb);
    verb.add_option("--timeout", common.timeout,
                    "under mpirun: seconds that a rank may be silent before all of them end; 0: any time")
        ->transform(real(0, std::numeric_limits<double>::max()))
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

void add_output(CLI::App& verb, OutputOption& output, const std::string& what, bool resumable, bool positional) {
  verb.add_option(positional ? "out,--out" : "--out", output.path, what)
      ->required()
      ->type_name("PATH")
      ->check(CLI::Validator([](std::string& path) { return path.empty() ? "no path" : ""; }, ""));
  verb.add_flag("--force", output.force, "replace what is there");
  if (resumable) verb.add_flag("--resume", output.resume, "go on where an interrupted run stopped");
}

namespace fs = std::filesystem;

void check_output(const OutputOption& output, const fs::path& file) {
  std::error_code none;
  const fs::file_status there = fs::status(file, none);
  if (fs::exists(there) && !fs::is_regular_file(there))
    throw UsageError("[weft] '{}' is {}, which is never replaced; choose another --out", file.string(),
                     kind_of_file(there.type()));
  if (fs::exists(there) && !output.force && !output.resume)
    throw UsageError("[weft] '{}' exists; give --force to replace it, or another --out", file.string());
  const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  if (fs::is_directory(folder, none)) const AtomicFile probe(file);  // goes away unwritten
}

void check_unfinished(const OutputOption& output, const fs::path& file) {
  if (output.force && output.resume) throw UsageError("[weft] --force and --resume; allowed: one of them");
  if (!output.force && !output.resume && fs::exists(file))
    throw UsageError("[weft] '{}' is unfinished; give --resume to go on, --force to start anew, or another --out",
                     file.string());
}

void check_output_file(const OutputOption& output, const std::vector<fs::path>& inputs) {
  std::error_code none;
  for (const fs::path& input : inputs)
    if (fs::equivalent(output.path, input, none))
      throw UsageError("[weft] '{}' is read here and never replaced; choose another --out", output.path);
  if (fs::exists(fs::absolute(output.path).parent_path() / "zoo.json", none))
    throw UsageError("[weft] '{}' lies in a zoo, which holds nothing else; choose another --out", output.path);
  check_output(output, output.path);
  const AtomicFile probe(output.path);
}

}  // namespace weft::apps
