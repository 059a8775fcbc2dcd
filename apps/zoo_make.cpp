// weft zoo make.

#include <algorithm>

#include <fmt/format.h>

#include "weft/apps/interrupt.h"
#include "weft/apps/setting_options.h"
#include "weft/apps/zoo.h"
#include "weft/core/clock.h"
#include "weft/core/parallel.h"
#include "weft/core/progress.h"
#include "weft/zoo/merge_zoo.h"
#include "weft/zoo/zoo_cost.h"

namespace weft::apps {

CompleteZooRequest completed_options(const ZooRequest& request) {
  return completed(request,
                   [](const std::string& part) { return part == "data_folder" ? "--data-dir" : option_name(part); });
}

namespace {

/// Foretells when the epoch of all networks ends: by the last one, in the first one by its share that is done.
class EpochClock {
 public:
  explicit EpochClock(std::int64_t networks) : networks_(networks) {}

  void progress(std::int64_t done) {
    const double share = static_cast<double>(done % networks_) / static_cast<double>(networks_),
                 now = seconds_since(start_);
    if (last_ > 0)
      expect_safe_point(std::max(0., last_ - now));
    else if (share > 0)
      expect_safe_point(now * (1 - share) / share);
  }
  void epoch_done() {
    last_ = seconds_since(start_);
    start_ = Clock::now();
    expect_safe_point(last_);
  }

 private:
  std::int64_t networks_;
  double last_ = 0;
  Clock::time_point start_ = Clock::now();
};

int show_part(const OutputOption& out, const CompleteZooRequest& request, const Common& common) {
  const ZooRange range = request.range();
  if (common.json)
    fmt::print("{}\n", Json{{"out", utf8_text(out.path)}, {"first", range.first}, {"end", range.end}}.dump(1));
  else if (!common.quiet)
    fmt::print("'{}': part {} of {}, networks {} to {}; weft zoo merge joins the parts\n", out.path, request.part,
               request.parts, range.first, range.end - 1);
  return exit_ok;
}

}  // namespace

int show_cost(CompleteZooRequest request, const Common& common) {
  if (!ranks().first()) return exit_ok;
  request.seed = common.seed;
  PreparedZoo zoo = prepare_zoo(request);
  zoo.plan.backend = common.backend;
  const ZooCost cost = measure_cost(*zoo.model, zoo.data.train, zoo.data.test, zoo.plan);
  constexpr std::int64_t ranks[] = {1, 2, 4, 10, 100};
  if (common.json) {
    Json hours;
    for (const std::int64_t n : ranks) hours[std::to_string(n)] = cost.seconds_of(n) / 3600;
    fmt::print("{}\n", Json{{"networks", cost.networks},
                            {"checkpoints", cost.checkpoints},
                            {"flops", cost.flops},
                            {"flops_per_second", cost.measured_flops},
                            {"bytes", cost.bytes},
                            {"threads", threads()},
                            {"hours", hours}}
                           .dump(1));
    return exit_ok;
  }
  fmt::print("{} networks, {} checkpoints, {:.3g} GB of weights\n", cost.networks, cost.checkpoints, cost.bytes * 1e-9);
  if (cost.flops > 0)
    fmt::print("{:.3g} TFLOP, at {:.3g} GFLOP/s of {} thread{}\n", cost.flops * 1e-12, cost.measured_flops * 1e-9,
               threads(), threads() == 1 ? "" : "s");
  for (const std::int64_t n : ranks)
    if (n <= cost.networks) fmt::print("  {:>3} rank{}  {:.3g} h\n", n, n == 1 ? " " : "s", cost.seconds_of(n) / 3600);
  return exit_ok;
}

int merge_parts(const MergeOptions& o, const Common& common) {
  check_unfinished(o.out, (std::filesystem::path(o.out.path) / "").parent_path().string() + ".part/state.safetensors");
  check_output(o.out, std::filesystem::path(o.out.path) / "zoo.json");
  using Existing = ZooWriter::Existing;
  const Existing existing = o.out.force ? Existing::replace : Existing::resume;  // what a killed merge left
  ZooWriter::check_place(o.out.path, existing);
  merge_zoo(std::vector<std::filesystem::path>(o.parts.begin(), o.parts.end()), o.out.path, existing);
  return common.quiet && !common.json ? exit_ok : show_zoo({o.out.path}, common);
}

int make_zoo(const OutputOption& out, CompleteZooRequest request, const Common& common) {
  using Existing = ZooWriter::Existing;
  const Existing existing = out.force ? Existing::replace : out.resume ? Existing::resume : Existing::refuse;
  if (ranks().first()) {
    for (const char* unfinished : {".part", ".parts"})
      check_unfinished(out, (std::filesystem::path(out.path) / "").parent_path().string() + unfinished);
    check_output(out, std::filesystem::path(out.path) / "zoo.json");
    ZooWriter::check_place(out.path, existing);
  }
  const auto start = Clock::now();
  request.seed = common.seed;
  PreparedZoo zoo = prepare_zoo(request);
  zoo.plan.backend = common.backend;
  {
    const std::int64_t networks = request.range().networks();
    Progress bar("zoo", networks * request.epochs, "networks x epochs", common.progress());
    EpochClock clock(networks);
    const ZooProgress progress{.begin = [&](std::int64_t done) { bar.begin(done); },
                               .training =
                                   [&](std::int64_t done, std::int64_t) {
                                     bar.update(done);
                                     clock.progress(done);
                                   },
                               .safe_point =
                                   [&] {
                                     check_interrupt();
                                     clock.epoch_done();
                                   },
                               .remark = [&](const std::string& slow) { common.remark("slow: " + slow); }};
    catch_interrupts({"the zoo stops after an epoch, which is kept; --resume goes on from there."});
    make_zoo(out.path, *zoo.model, zoo.data.train, zoo.data.test, zoo.plan, existing, progress, ranks());
  }
  if (!ranks().first()) return exit_ok;
  if (request.parts > 0) return show_part(out, request, common);
  const double seconds = seconds_since(start);
  if (common.json || common.quiet) return common.json ? show_zoo({out.path}, common) : exit_ok;
  fmt::print("zoo made in {:.1f} s\n", seconds);
  return show_zoo({out.path}, common);
}

}  // namespace weft::apps
