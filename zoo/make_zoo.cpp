#include "weft/zoo/make_zoo.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "weft/core/backend.h"
#include "weft/core/clock.h"
#include "weft/core/rank_progress.h"
#include "weft/io/csv.h"
#include "weft/zoo/zoo_pieces.h"

namespace weft {
namespace {

constexpr std::int64_t most_networks = 1'000'000;

template <class Value>
HyperParameter column(const std::vector<TrainingRecipe>& recipes, const char* name, const char* meaning, Value value) {
  std::vector<double> values;
  for (const TrainingRecipe& r : recipes) values.push_back(value(r));
  return HyperParameter::numbers(name, meaning, values);
}

/// `what`: images or texts.
std::vector<HyperParameter> hyper_parameters(const std::vector<TrainingRecipe>& recipes, const char* what) {
  HyperParameter rule{"optimiser", "update rule", {}};
  for (const TrainingRecipe& r : recipes) rule.values.emplace_back(name(r.rule.kind));
  using R = const TrainingRecipe&;
  const std::string share = fmt::format("of the training {} that the network sees", what);
  return {std::move(rule),
          column(recipes, "learning_rate", "step size", [](R r) { return r.learning_rate; }),
          column(recipes, "momentum", "of the rule momentum, else 0", [](R r) { return r.rule.momentum; }),
          column(recipes, "init_std", "standard deviation of the start weights", [](R r) { return r.init_std; }),
          column(recipes, "weight_decay", "L2 factor of the weights", [](R r) { return r.rule.weight_decay; }),
          column(recipes, "dropout", "rate on hidden values, in training", [](R r) { return r.dropout; }),
          column(recipes, "share", share.c_str(), [](R r) { return r.share; })};
}

/// Of implicit networks, which are all fitted alike: what tells them apart.
std::vector<HyperParameter> stored_images(const PopulationModel& model, const Dataset& data, std::int64_t networks) {
  std::vector<double> image, view, label;
  for (std::int64_t n = 0; n < networks; ++n) {
    image.push_back(static_cast<double>(model.image_of(n)));
    view.push_back(static_cast<double>(n % model.views()));
    label.push_back(static_cast<double>(data.labels.data<std::int32_t>()[model.image_of(n)]));
  }
  return {HyperParameter::numbers("image", "number of the image that the network stores", image),
          HyperParameter::numbers("view", "which of the networks that store it", view),
          HyperParameter::numbers("class", "label of the image", label)};
}

ZooDescription describe(const PopulationModel& model, const Dataset& train, const Dataset& held_out,
                        const Dataset& test, const ZooPlan& plan) {
  const ArchitectureFacts facts = model.facts();
  ZooDescription d;
  d.space = model.space();
  d.architecture = facts.name;
  d.activation = facts.activation;
  d.data_name = train.name;
  d.data_hash = content_hash(train);
  d.generator = plan.generator;
  d.seed = plan.training.seed;
  d.networks = std::ssize(plan.recipes);
  d.part = plan.part;
  d.views = model.views();
  d.hyper_parameters = model.implicit() ? stored_images(model, train, d.networks)
                                        : hyper_parameters(plan.recipes, train.texts() ? "texts" : "images");
  d.settings = {{"epochs", std::to_string(plan.training.epochs)}, {"batch", std::to_string(plan.training.batch)}};
  if (model.implicit()) {
    const TrainingRecipe& recipe = plan.recipes.front();
    d.settings["images"] = std::to_string(train.items());
    d.settings["optimiser"] = name(recipe.rule.kind);
    d.settings["learning_rate"] = number_text(recipe.learning_rate);
  } else {
    d.settings["training_items"] = std::to_string(train.items());
    d.settings["test_items"] = std::to_string(test.items());
    d.settings["test_hash"] = content_hash(test);
  }
  if (plan.backend) {
    d.settings["device"] = "cuda";  // the CPU's numbers up to rounding
    d.settings["products"] = name(plan.backend->precision);
  }
  if (train.texts())
    d.settings["words"] = std::to_string(train.word_vectors.dim(0));
  else
    d.settings["image"] = fmt::format("{}x{}x{}", train.channels(), train.rows(), train.columns());
  if (plan.held_out > 0) {
    for (const int percent : plan.training.percents) d.checkpoints.push_back(std::to_string(percent));
    d.checkpoints.emplace_back("best");
    d.settings["held_out_items"] = std::to_string(plan.held_out);
    d.settings["held_out_hash"] = content_hash(held_out);
  }
  d.settings.insert(facts.settings.begin(), facts.settings.end());
  d.settings.insert(plan.settings.begin(), plan.settings.end());
  return d;
}

/// Nothing is written for a plan that cannot be trained.
void check(const ZooPlan& plan, const Dataset& train, const Dataset& test) {
  const auto networks = std::ssize(plan.recipes);
  const TrainingPlan& training = plan.training;
  if (networks > most_networks)
    throw UsageError("[zoo] {} networks; allowed: at most {}, all are trained at once", networks, most_networks);
  if (networks < 1 || training.epochs < 1 || training.batch < 1 || train.items() < 1 || test.items() < 1)
    throw UsageError("[zoo] {} networks, {} epochs, batch {}, {} {}, {} to test on; allowed: 1 or more of each",
                     networks, training.epochs, training.batch, train.items(), train.texts() ? "texts" : "images",
                     test.items());
}

void append(ZooWriter& writer, const PopulationTrainer& trainer, const PopulationCheckpoint& checkpoint,
            const std::vector<std::string>& checkpoints) {
  const std::string called = checkpoint.best ? "best" : std::to_string(checkpoint.percent);
  const auto place = std::find(checkpoints.begin(), checkpoints.end(), called) - checkpoints.begin();
  std::vector<ZooResult> results;
  for (std::int64_t n = 0; n < trainer.networks(); ++n) {
    const auto i = static_cast<std::size_t>(n);
    ZooResult result;
    result.network = trainer.plan().first_network + n;
    result.epoch = checkpoint.best ? trainer.best_epoch(n) : trainer.epochs_done();
    result.accuracy = checkpoint.test[i].accuracy;
    result.loss = checkpoint.test[i].loss;
    if (trainer.implicit()) result.psnr = psnr(result.loss);
    if (!checkpoint.train.empty()) result.train_accuracy = checkpoint.train[i].accuracy;
    if (!checkpoints.empty()) result.checkpoint = place;
    result.diverged = trainer.diverged_at(n) != 0;
    results.push_back(result);
  }
  writer.append(results, checkpoint.best ? trainer.best_weights() : trainer.weights());
}

// A state beyond this size is saved so often that it takes this share of the time, a smaller one after every epoch.
constexpr std::size_t large_state = std::size_t{32} << 20;
constexpr double share_of_saving = 0.05;

/// Trains from where a killed run stopped, or from the start, and writes.
void make(ZooWriter& writer, PopulationTrainer& trainer, const Dataset& test,
          const std::vector<std::string>& checkpoints, const ZooProgress& progress) {
  if (const auto saved = writer.state()) {
    trainer.resume(*saved);
    std::int64_t due = 0;
    for (std::int64_t epoch = 1; epoch <= trainer.epochs_done(); ++epoch)
      due += checkpoint_after(trainer.plan(), epoch).has_value();
    if (trainer.keeps_best() && trainer.epochs_done() == trainer.plan().epochs) ++due;
    if (writer.rows() != due * trainer.networks())
      throw FormatError(
          "[zoo] a state after {} epochs with {} rows; allowed: {} checkpoints of {} networks: replace it",
          trainer.epochs_done(), writer.rows(), due, trainer.networks());
  }
  auto saved = Clock::now();
  double saving = 0;  // seconds that the last save took
  std::size_t bytes = 0;
  for (const NamedTensor& t : trainer.state()) bytes += t.tensor.bytes();
  bool remarked = false;
  train_population(trainer, test,
                   {.progress = progress.training,
                    .checkpoint = [&](const PopulationCheckpoint& c) { append(writer, trainer, c, checkpoints); },
                    .epoch =
                        [&] {
                          const bool last = trainer.epochs_done() == trainer.plan().epochs;
                          if (bytes > large_state && saving > share_of_saving * seconds_since(saved) && !last) return;
                          const auto before = Clock::now();
                          writer.save_state(trainer.state());
                          saving = seconds_since(before);
                          saved = Clock::now();
                          if (const std::string why = trainer.fallback(); !why.empty() && !remarked) {
                            remarked = true;
                            if (progress.remark) progress.remark(why);
                          }
                          if (progress.safe_point) progress.safe_point();
                        }});
  writer.finish();
}

/// What all parts of a zoo have in common.
struct Common {
  const PopulationModel& model;
  const Dataset &train, &judged;
  const Dataset* held_out;
  const ZooPlan& plan;
  const Tensor& images;  ///< of implicit networks
};

void make_part(ZooWriter& writer, const ZooDescription& part, const Common& all, const ZooProgress& progress) {
  if (all.model.implicit()) writer.save_images(all.images);
  const ZooRange range = part.range();
  TrainingPlan training = all.plan.training;
  training.first_network = range.first;
  const std::vector<TrainingRecipe> recipes(all.plan.recipes.begin() + range.first,
                                            all.plan.recipes.begin() + range.end);
  PopulationTrainer trainer(all.model, all.train, recipes, training, all.held_out, all.plan.backend);
  make(writer, trainer, all.judged, part.checkpoints, progress);
}

/// In networks x epochs, of what an earlier run did.
std::int64_t done_before(const ZooWriter& writer, const ZooDescription& part, std::int64_t epochs) {
  const std::int64_t networks = part.range().networks();
  if (writer.complete()) return networks * epochs;
  const auto state = writer.state();
  // A state that is damaged is refused where it is read.
  if (!state || !state->contains("epochs_done") || state->dtype("epochs_done") != DType::i32) return 0;
  const Tensor epochs_done = state->tensor("epochs_done");
  return epochs_done.numel() == 1 ? networks * epochs_done.data<std::int32_t>()[0] : 0;
}

/// The ranks of a job, each with parts of its own.
void make_pieces(ZooPieces& pieces, const Common& all, const ZooProgress& progress, std::int64_t total, Ranks& job) {
  const std::int64_t epochs = all.plan.training.epochs;
  std::vector<ZooWriter> writers;
  std::vector<std::int64_t> before;  // of each part
  for (const ZooDescription& part : pieces.own()) {
    writers.emplace_back(pieces.path(part), part, ZooWriter::Existing::resume);
    before.push_back(done_before(writers.back(), part, epochs));
  }
  std::int64_t done = std::accumulate(before.begin(), before.end(), std::int64_t{0});  // by this rank
  RankProgress ranks(job, done);
  if (job.first() && progress.begin) progress.begin(ranks.total());
  const auto tell = [&](std::int64_t now) {
    ranks.tell(now);
    if (job.first() && progress.training) progress.training(ranks.total(), total);
  };
  for (std::size_t i = 0; i < writers.size(); ++i) {
    const ZooDescription& part = pieces.own()[i];
    std::int64_t now = done;
    ZooProgress own = progress;
    own.training = [&](std::int64_t of_part, std::int64_t) { tell(now = done + of_part - before[i]); };
    own.safe_point = [&] {
      tell(now);
      if (progress.safe_point) progress.safe_point();
    };
    if (!writers[i].complete()) make_part(writers[i], part, all, own);
    done += part.range().networks() * epochs - before[i];
  }
  tell(done);
  ranks.finish([&] { tell(done); });
  if (job.first()) pieces.merge([&] { ranks.tell(done); });
  ranks.wait_for_first();
}

}  // namespace

ZooPlan usual_plan(const InputArchitecture& architecture, std::int64_t networks, std::int64_t epochs,
                   std::int64_t batch, std::int64_t items, std::uint64_t seed) {
  ZooPlan plan{.recipes = {}, .held_out = architecture.usual.held_out, .training = architecture.training};
  plan.training.epochs = epochs;
  plan.training.batch = batch;
  plan.training.seed = seed;
  const std::int64_t steps = batch > 0 ? epochs * ((items + batch - 1) / batch) : 0;
  plan.recipes = architecture.recipes(networks, steps, RandomKey(seed, "recipes"));
  return plan;
}

double psnr(double mean_squared_error) { return 10 * std::log10(4 / std::max(mean_squared_error, 1e-12)); }

void make_zoo(const std::filesystem::path& folder, const PopulationModel& model, const Dataset& given,
              const Dataset& test, const ZooPlan& plan, ZooWriter::Existing existing, const ZooProgress& progress,
              Ranks& job) {
  Dataset all = given;
  Tensor bytes;
  if (model.implicit()) {
    // What the zoo keeps of an image is what its networks were fitted to.
    model.check(given);
    bytes = pixel_bytes(given.images);
    all.images = Tensor::zeros(bytes.shape(), DType::f32);
    scale_pixels(bytes, all.images.data<float>());
  }
  if (plan.held_out < 0 || (plan.held_out > 0 && plan.held_out >= all.items()))
    throw UsageError("[zoo] {} of {} training items held out; allowed: 0 to {}, fewer than there are", plan.held_out,
                     all.items(), all.items() - 1);
  const Dataset train = all.slice(0, all.items() - plan.held_out),
                held_out = all.slice(all.items() - plan.held_out, all.items());
  const Dataset& judged = model.implicit() ? train : test;
  check(plan, train, judged);
  require_valid(plan.training, model.items(train));
  ZooDescription d = describe(model, train, held_out, judged, plan);
  const Common common{model, train, judged, plan.held_out > 0 ? &held_out : nullptr, plan, bytes};
  if (job.size() > 1 || (existing == ZooWriter::Existing::resume && ZooPieces::begun(folder))) {
    ZooPieces pieces(folder, d, existing, job);
    if (!pieces.complete()) make_pieces(pieces, common, progress, d.range().networks() * plan.training.epochs, job);
    return;
  }
  ZooWriter writer(folder, d, existing);
  if (writer.complete()) return;
  if (progress.begin) progress.begin(done_before(writer, d, plan.training.epochs));
  make_part(writer, d, common, progress);
}

}  // namespace weft
