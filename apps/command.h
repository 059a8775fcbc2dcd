#pragma once
// What the verbs of the command line share. Each verb is one file that declares its options and what runs.

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <set>
#include <string>

#include <CLI/CLI.hpp>

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
  exit_interrupted = 130,
};

/// Options of every verb.
struct Common {
  std::uint64_t seed = 0;
  int threads = 0;                                ///< 0: WEFT_THREADS or all
  std::string device = "cpu", products = "full";  ///< products: one of precision_names
  Backend* backend = nullptr;                     ///< of `device`
  bool json = false, quiet = false;
  std::set<const CLI::App*> on_devices;  ///< the verbs that run on devices other than the CPU

  /// Where progress goes: nowhere when quiet.
  std::FILE* progress() const { return quiet ? nullptr : stderr; }
};

/// Thrown at the next safe point after Ctrl-C.
class Interrupted : public Error {
 public:
  using Error::Error;
};
/// From here on Ctrl-C is seen by check_interrupt(): for verbs that save their work as they go. Others end at once.
void catch_interrupts();
/// Throws Interrupted when Ctrl-C was pressed. Long verbs call it between steps.
void check_interrupt();

/// What a verb does once its options are read; returns an exit code.
using Run = std::function<int()>;

enum class Runs : std::uint8_t { on_cpu, on_devices };

/// A verb with the options of every verb. `example` becomes its footer. One that runs on devices takes `backend`.
CLI::App& add_verb(CLI::App& app, Common& common, const std::string& name, const std::string& description,
                   const std::string& example, Runs runs = Runs::on_cpu);

/// The option `--out DIR` with `--force` and `--resume`: existing output is refused without one of them.
struct OutputOption {
  std::string path;
  bool force = false, resume = false;
};
void add_output(CLI::App& verb, OutputOption& output, const std::string& what, bool resumable);
/// Throws UsageError when `file` exists and neither option was given; removes nothing.
void check_output(const OutputOption& output, const std::string& file);
/// The same for what an interrupted run left.
void check_unfinished(const OutputOption& output, const std::string& file);

/// What an option allows: whole numbers from `low` on; finite numbers above 0.
CLI::Validator at_least(std::int64_t low);
CLI::Validator positive();

// The explicit list of verbs (main.cpp calls them in this order).
void add_demo(CLI::App& app, Common& common, Run& run);
void add_zoo(CLI::App& app, Common& common, Run& run);
void add_train(CLI::App& app, Common& common, Run& run);
void add_eval(CLI::App& app, Common& common, Run& run);
void add_predict(CLI::App& app, Common& common, Run& run);
void add_act(CLI::App& app, Common& common, Run& run);
void add_same(CLI::App& app, Common& common, Run& run);
void add_verify(CLI::App& app, Common& common, Run& run);
void add_report(CLI::App& app, Common& common, Run& run);
void add_bench(CLI::App& app, Common& common, Run& run);

}  // namespace weft::apps
