#pragma once
// What the verbs of the command line share. Each verb is one file that declares its options and what runs.

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "weft/core/backend.h"
#include "weft/core/error.h"

namespace weft::apps {

/// Exit codes; the same for every verb.
enum Exit : int {
  exit_ok = 0,
  exit_fail = 1,     ///< verify says FAIL, same says different
  exit_usage = 2,    ///< options that make no sense
  exit_input = 3,    ///< a file or folder that is missing or wrong
  exit_numeric = 4,  ///< a NaN or infinity
  exit_disk = 5,     ///< writing failed
  exit_device = 6,   ///< no such device
  exit_ranks = 7,    ///< a process of the job does not answer, or there is no MPI
  exit_interrupted = 130,
};

/// Options of every verb.
struct Common {
  std::uint64_t seed = 0;
  int threads = 0;                                ///< 0: WEFT_THREADS or all
  std::string device = "cpu", products = "full";  ///< products: one of precision_names
  Backend* backend = nullptr;                     ///< of `device`
  bool json = false, quiet = false;
  double timeout = 0;                              ///< seconds that a rank of a job may be silent; 0: any time
  int rank_on_machine = 0;                         ///< of a job: which of a machine's devices "cuda" is
  std::set<const CLI::App*> on_devices, on_ranks;  ///< the verbs that run on devices other than the CPU, and as a job

  /// Where progress goes: nowhere when quiet.
  std::FILE* progress() const { return quiet ? nullptr : stderr; }
  /// A line on stderr, unless quiet.
  void remark(const std::string& text) const;
};

/// What a verb does once its options are read; returns an exit code.
using Run = std::function<int()>;

/// Of the last also as a job of several processes, which mpirun starts (core/ranks.h): all of them call the verb.
enum class Runs : std::uint8_t { on_cpu, on_devices, on_devices_and_ranks };

/// A verb with the options of every verb. `example` becomes its footer. One that runs on devices takes `backend`.
CLI::App& add_verb(CLI::App& app, Common& common, const std::string& name, const std::string& description,
                   const std::string& example, Runs runs = Runs::on_cpu);

/// The usual value of an option that was not given, where it depends on others: --print-config shows it.
template <class Value, class Usual>
void take_usual(CLI::Option* option, Value& value, const Usual& usual) {
  if (!option->empty()) return;
  value = usual;
  option->default_str(fmt::format("{}", usual));
}

/// The option `--out DIR` with `--force` and `--resume`: existing output is refused without one of them.
struct OutputOption {
  std::string path;
  bool force = false, resume = false;
};
/// `positional`: it is the verb's main argument, which may stand without its name.
void add_output(CLI::App& verb, OutputOption& output, const std::string& what, bool resumable, bool positional = false);
/// Throws UsageError when `file` exists and neither option was given, or is no regular file; DiskError when its folder
/// is there and takes no file. Changes nothing: verbs call it before they work.
void check_output(const OutputOption& output, const std::filesystem::path& file);
/// The same for what an interrupted run left.
void check_unfinished(const OutputOption& output, const std::filesystem::path& file);
/// Throws what check_output() throws, DiskError when the folder of `file` is missing, and UsageError when it is one of
/// `inputs` or part of a zoo.
void check_output_file(const OutputOption& output, const std::vector<std::filesystem::path>& inputs = {});

// The explicit list of verbs (main.cpp calls them in this order).
void add_demo(CLI::App& app, Common& common, Run& run);
void add_zoo(CLI::App& app, Common& common, Run& run);
void add_train(CLI::App& app, Common& common, Run& run);
void add_eval(CLI::App& app, Common& common, Run& run);
void add_predict(CLI::App& app, Common& common, Run& run);
void add_inspect(CLI::App& app, Common& common, Run& run);
void add_act(CLI::App& app, Common& common, Run& run);
void add_fold(CLI::App& app, Common& common, Run& run);
void add_edit(CLI::App& app, Common& common, Run& run);
void add_same(CLI::App& app, Common& common, Run& run);
void add_verify(CLI::App& app, Common& common, Run& run);
void add_report(CLI::App& app, Common& common, Run& run);
void add_bench(CLI::App& app, Common& common, Run& run);
void add_generate(CLI::App& app, Common& common, Run& run);

}  // namespace weft::apps
