// weft zoo make.

#include <algorithm>
#include <chrono>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "weft/apps/interrupt.h"
#include "weft/apps/run_folder.h"
#include "weft/apps/zoo.h"
#include "weft/core/progress.h"
#include "weft/data/source.h"
#include "weft/zoo/make_zoo.h"

namespace weft::apps {
namespace {

/// The usual data of a kind come first.
std::vector<const DataSource*> sources_of(const InputArchitecture& kind) {
  std::vector<const DataSource*> all;
  for (const DataSource* source : data_sources())
    if (source->texts == kind.texts) all.push_back(source);
  return all;
}

}  // namespace

ZooMakeOptions completed(ZooMakeOptions o) {
  const InputArchitecture& kind = input_architecture(o.kind);
  std::vector<std::string_view> names;
  for (const DataSource* source : sources_of(kind)) names.emplace_back(source->name);
  if (o.data.empty()) o.data = names.front();
  if (std::ranges::find(names, o.data) == names.end())
    throw UsageError("[zoo] --kind {} does not read --data {}; allowed: {}", o.kind, o.data, fmt::join(names, ", "));
  if (kind.usual.held_out == 0 && o.held_out)
    throw UsageError("[zoo] --held-out is for kinds whose best epochs are kept; '{}' has none", o.kind);
  if (o.data_dir.empty() && data_source(o.data).files)
    throw UsageError("[zoo] --data {} needs --data-dir, the folder of its files", o.data);
  o.images = o.images.value_or(kind.usual.items);
  if (o.settings.has("views")) {
    if (o.networks || o.test_images)
      throw UsageError("[zoo] --kind {} fits --views networks to each of --images; leave --networks, --test-images out",
                       o.kind);
    if (o.settings.text("start") == "shared" && o.settings.whole("views") > 1)
      throw UsageError("[zoo] --views {} with --start shared: the views of an image would be one network",
                       o.settings.whole("views"));
    o.networks = *o.images * o.settings.whole("views");
  }
  o.networks = o.networks.value_or(kind.usual.networks);
  o.test_images = o.test_images.value_or(kind.usual.test_items);
  o.epochs = o.epochs.value_or(kind.usual.epochs);
  o.batch = o.batch.value_or(kind.usual.batch);
  if (kind.usual.held_out > 0) o.held_out = o.held_out.value_or(kind.usual.held_out);
  return o;
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

/// That no zoo can be made there must not come out after its data were read.
void check_place(const std::filesystem::path& out) {
  if (std::filesystem::exists(out) && !std::filesystem::is_directory(out))
    throw UsageError("[zoo] '{}' is not a folder; choose another --out", out.string());
  try {
    std::filesystem::path zoo = std::filesystem::weakly_canonical(std::filesystem::absolute(out));
    if (!zoo.has_filename()) zoo = zoo.parent_path();  // "zoo/"
    const NewFolder parent(zoo.parent_path());
  } catch (const Error& error) {
    throw DiskError("[zoo] '{}' cannot be made: {}", out.string(), error.what());
  }
}

}  // namespace

int make_zoo(const ZooMakeOptions& o, const Common& common) {
  check_unfinished(o.out, (std::filesystem::path(o.out.path) / "").parent_path().string() + ".part");
  check_output(o.out, std::filesystem::path(o.out.path) / "zoo.json");
  check_place(o.out.path);
  const auto start = std::chrono::steady_clock::now();
  const InputArchitecture& kind = input_architecture(o.kind);
  const TrainAndTest data =
      data_source(o.data).load({.folder = o.data_dir,
                                .train = *o.images,
                                .test = std::max<std::int64_t>(1, *o.test_images),
                                .seed = common.seed,
                                .whole_texts = o.settings.has("pad") && o.settings.text("pad") == "batch"});
  const std::int64_t held_out = o.held_out.value_or(0);
  ZooPlan plan = usual_plan(kind, *o.networks, *o.epochs, *o.batch, data.train.items() - held_out, common.seed);
  plan.held_out = held_out;
  plan.generator = "weft " WEFT_VERSION;
  plan.backend = common.backend;
  const std::unique_ptr<PopulationModel> model = kind.make(o.settings, data.train, *o.batch);
  using Existing = ZooWriter::Existing;
  const Existing existing = o.out.force ? Existing::replace : o.out.resume ? Existing::resume : Existing::refuse;
  {
    Progress bar("zoo", *o.networks * *o.epochs, "networks x epochs", common.progress());
    EpochClock clock(*o.networks);
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
    make_zoo(o.out.path, *model, data.train, data.test, plan, existing, progress);
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (common.json || common.quiet) return common.json ? show_zoo({o.out.path}, common) : exit_ok;
  fmt::print("zoo made in {:.1f} s\n", seconds);
  return show_zoo({o.out.path}, common);
}

}  // namespace weft::apps
