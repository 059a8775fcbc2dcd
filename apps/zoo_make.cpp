// weft zoo make.

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "weft/apps/interrupt.h"
#include "weft/apps/setting_options.h"
#include "weft/apps/zoo.h"
#include "weft/core/progress.h"

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
    const double share = static_cast<double>(done % networks_) / static_cast<double>(networks_), now = seconds();
    if (last_ > 0)
      expect_safe_point(std::max(0., last_ - now));
    else if (share > 0)
      expect_safe_point(now * (1 - share) / share);
  }
  void epoch_done() {
    last_ = seconds();
    start_ = Clock::now();
    expect_safe_point(last_);
  }

 private:
  using Clock = std::chrono::steady_clock;
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

  std::int64_t networks_;
  double last_ = 0;
  Clock::time_point start_ = Clock::now();
};

}  // namespace

int make_zoo(const OutputOption& out, CompleteZooRequest request, const Common& common) {
  check_unfinished(out, (std::filesystem::path(out.path) / "").parent_path().string() + ".part");
  check_output(out, std::filesystem::path(out.path) / "zoo.json");
  using Existing = ZooWriter::Existing;
  const Existing existing = out.force ? Existing::replace : out.resume ? Existing::resume : Existing::refuse;
  ZooWriter::check_place(out.path, existing);
  const auto start = std::chrono::steady_clock::now();
  request.seed = common.seed;
  PreparedZoo zoo = prepare_zoo(request);
  zoo.plan.backend = common.backend;
  {
    Progress bar("zoo", request.networks * request.epochs, "networks x epochs", common.progress());
    EpochClock clock(request.networks);
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
    make_zoo(out.path, *zoo.model, zoo.data.train, zoo.data.test, zoo.plan, existing, progress);
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (common.json || common.quiet) return common.json ? show_zoo({out.path}, common) : exit_ok;
  fmt::print("zoo made in {:.1f} s\n", seconds);
  return show_zoo({out.path}, common);
}

}  // namespace weft::apps
