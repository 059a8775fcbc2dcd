// weft zoo make.

#include <algorithm>
#include <chrono>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "weft/apps/interrupt.h"
#include "weft/apps/run_folder.h"
#include "weft/apps/zoo.h"
#include "weft/core/progress.h"
#include "weft/data/glyphs.h"
#include "weft/data/texts.h"
#include "weft/zoo/make_zoo.h"

namespace weft::apps {
namespace {

struct Kind {
  const char* name;
  std::vector<std::string> data;  ///< the first is the default
  std::int64_t networks, images, test_images, epochs, batch, held_out;
};

const Kind& kind_of(const std::string& name) {
  static const std::vector<std::string> images{"glyphs", "mnist", "cifar10", "cifar10-grey"};
  static const Kind kinds[] = {{"cnn", images, 300, 3000, 2000, 8, 32, 0},
                               {"vit", images, 300, 10000, 10000, 20, 128, 1000},
                               {"text", {"topics", "agnews"}, 200, 6000, 1600, 20, 128, 1000}};
  return *std::find_if(std::begin(kinds), std::end(kinds), [&](const Kind& kind) { return kind.name == name; });
}

void check_size(const std::string& name, std::int64_t wanted, std::int64_t items, const char* option) {
  if (wanted < 1 || wanted > items) throw UsageError("[zoo] {} {}; '{}' has {}", option, wanted, name, items);
}

Dataset first(const Dataset& data, std::int64_t items, const char* option) {
  check_size(data.name, items, data.items(), option);
  return data.slice(0, items);
}

TrainAndTest load_texts(const ZooMakeOptions& o, std::uint64_t seed) {
  constexpr std::int64_t D = TransformerArchitecture{}.shape.D, longest = 512;
  Texts train, test;
  if (o.data == "topics") {
    train = draw_topics(*o.images, Key(seed, "topics.train"));
    test = draw_topics(*o.test_images, Key(seed, "topics.test"));
  } else {
    const Texts all = load_ag_news(o.data_dir, Key(seed, "ag_news"));
    check_size(all.name, *o.images + *o.test_images, all.items(), "--images and --test-images:");
    train = all.slice(0, *o.images);
    test = all.slice(*o.images, *o.images + *o.test_images);
  }
  const WordVectors words = fit_word_vectors(train.texts, D);
  const std::int64_t length = o.pad == "batch" ? std::min(longest, std::max(longest_text(train), longest_text(test)))
                                               : TransformerArchitecture{}.length;
  return {tokenised(train, words, length), tokenised(test, words, length)};
}

}  // namespace

ZooMakeOptions completed(ZooMakeOptions o) {
  const Kind& kind = kind_of(o.kind);
  if (o.data.empty()) o.data = kind.data.front();
  if (std::find(kind.data.begin(), kind.data.end(), o.data) == kind.data.end())
    throw UsageError("[zoo] --kind {} does not read --data {}; allowed: {}", o.kind, o.data,
                     fmt::join(kind.data, ", "));
  if (o.kind == "cnn" && (o.residual || o.held_out))
    throw UsageError("[zoo] --residual and --held-out are for transformers; say --kind vit or text");
  if (o.kind != "cnn" && o.activation != "relu")
    throw UsageError("[zoo] --activation {} is for CNNs; transformers have relu", o.activation);
  if (o.kind != "text" && o.pad != "fixed") throw UsageError("[zoo] --pad {} is for texts; say --kind text", o.pad);
  if (o.data_dir.empty() && o.data != "glyphs" && o.data != "topics")
    throw UsageError("[zoo] --data {} needs --data-dir, the folder of its files", o.data);
  o.networks = o.networks.value_or(kind.networks);
  o.images = o.images.value_or(kind.images);
  o.test_images = o.test_images.value_or(kind.test_images);
  o.epochs = o.epochs.value_or(kind.epochs);
  o.batch = o.batch.value_or(kind.batch);
  if (o.kind != "cnn") o.held_out = o.held_out.value_or(kind.held_out);
  return o;
}

TrainAndTest load_data(const ZooMakeOptions& o, std::uint64_t seed) {
  if (o.kind == "text") return load_texts(o, seed);
  if (o.data == "glyphs")
    return {draw_glyphs(*o.images, Key(seed, "glyphs.train")), draw_glyphs(*o.test_images, Key(seed, "glyphs.test"))};
  TrainAndTest data;
  if (o.data == "mnist") {
    data = {load_mnist(o.data_dir, "train"), load_mnist(o.data_dir, "t10k")};
  } else {
    std::vector<std::string> batches;
    for (int i = 1; i <= 5; ++i) {
      const std::string batch = fmt::format("data_batch_{}", i), path = o.data_dir + "/" + batch + ".bin";
      if (std::filesystem::exists(path) || std::filesystem::exists(path + ".gz")) batches.push_back(batch);
    }
    if (batches.empty()) throw FormatError("[zoo] no data_batch_1.bin[.gz] in '{}'", o.data_dir);
    data = {load_cifar10(o.data_dir, batches), load_cifar10(o.data_dir, {"test_batch"})};
    if (o.data == "cifar10-grey") data = {grey(data.train), grey(data.test)};
  }
  return {first(data.train, *o.images, "--images"), first(data.test, *o.test_images, "--test-images")};
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
  const TrainAndTest data = load_data(o, common.seed);
  auto filled = [&](auto plan) {
    plan.networks = *o.networks;
    plan.training.epochs = *o.epochs;
    plan.training.batch = *o.batch;
    plan.training.seed = common.seed;
    plan.generator = "weft " WEFT_VERSION;
    plan.backend = common.backend;
    return plan;
  };
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
    catch_interrupts("the zoo stops after this epoch, which is kept; --resume goes on from there.");
    if (o.kind == "cnn") {
      CnnZooPlan plan = filled(CnnZooPlan{});
      plan.activation = o.activation == "tanh" ? UnaryOp::Tanh : UnaryOp::Relu;
      make_cnn_zoo(o.out.path, data.train, data.test, plan, existing, progress);
    } else {
      TransformerZooPlan plan = filled(TransformerZooPlan{});
      plan.held_out = *o.held_out;
      plan.architecture.residual = o.residual;
      plan.architecture.pad_batch = o.pad == "batch" ? *o.batch : 0;
      make_transformer_zoo(o.out.path, data.train, data.test, plan, existing, progress);
    }
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (common.json || common.quiet) return common.json ? show_zoo({o.out.path}, common) : exit_ok;
  fmt::print("zoo made in {:.1f} s\n", seconds);
  return show_zoo({o.out.path}, common);
}

}  // namespace weft::apps
