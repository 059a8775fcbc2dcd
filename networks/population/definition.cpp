#include "weft/networks/population/definition.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "weft/core/backend.h"
#include "weft/networks/population/definition_bodies.h"
#include "weft/networks/population/device_networks.h"
#include "weft/networks/population/dropout_bytes.h"
#include "weft/ops/view.h"

namespace weft {
namespace {

constexpr std::int64_t bytes_of_block = 16;

std::int64_t chunks_of(const DropoutSite& site) { return (site.channels + bytes_of_block - 1) / bytes_of_block; }

/// Dropout by the bytes that a step has drawn.
class DropBytes final : public SiteDropout {
 public:
  DropBytes(std::vector<DropoutSite> sites, std::function<DropSite(std::size_t)> bytes, bool training)
      : sites_(std::move(sites)), bytes_(std::move(bytes)), training_(training) {}

  Var operator()(std::size_t number, const Var& x) const override {
    if (!training_) return x;
    const DropoutSite& site = sites_[number];
    const Shape& shape = x.shape();
    const std::int64_t width = bytes_of_block * chunks_of(site);
    // Tokens are an image of one channel, a token a row.
    const bool tokens = shape.rank() == 4;
    Tape& tape = x.tape();
    DropValues body{.site = bytes_(number),
                    .batch = shape[1],
                    .channels = tokens ? 1 : shape[2],
                    .rows = tokens ? shape[2] : shape[3],
                    .columns = tokens ? shape[3] : shape[4],
                    .used_rows = site.rows,
                    .used_columns = tokens ? width : site.columns,
                    .width = tokens ? 1 : width,
                    .x = x.value().address<float>(),
                    .y = nullptr,
                    .accumulate = false};
    const Tensor y = tape.empty(shape, DType::f32);
    body.y = y.address<float>();
    loop(tape.backend(), y.numel(), 1024, body);
    return tape.record("population_dropout", y, x.type(), {x}, [body](Backward& back) {
      DropValues vjp = body;
      const GradSlot to = back.grad(0);
      vjp.x = back.cotangent().address<float>();
      vjp.y = to.tensor.address<float>();
      vjp.accumulate = to.beta != 0;
      loop(back.arena().backend(), to.tensor.numel(), 1024, vjp);
    });
  }

 private:
  std::vector<DropoutSite> sites_;
  std::function<DropSite(std::size_t)> bytes_;
  bool training_;
};

/// A step of many networks on a tape: in an arena that is given, for one step, or in one of its own.
class DefinedNetworks final : public DeviceNetworks {
 public:
  DefinedNetworks(std::shared_ptr<const NetworkDefinition> definition, std::int64_t batch, Backend* backend,
                  Arena* arena)
      : DeviceNetworks(definition->space()),
        definition_(std::move(definition)),
        batch_(batch),
        own_(memory_of(backend)),
        tape_(arena ? *arena : own_) {
    // Tensor behind tensor, as they are.
    layout_.numbers = std::ssize(layout_.place);
    std::iota(layout_.place.begin(), layout_.place.end(), 0);
    for (std::size_t t = 0; t < layout_.tensors.size(); ++t)
      layout_.decays.resize(static_cast<std::size_t>(end_of(t)), definition_->space().tensors()[t].axes.size() > 1);
    classes = output_width = definition_->outputs();
    classifies = definition_->items().views == 0;
    add_buffer(&outputs_, batch * output_width);
    std::vector<std::array<std::int64_t, 2>> sites;
    for (const DropoutSite& site : definition_->sites()) sites.push_back({site.rows * site.columns, chunks_of(site)});
    add_dropout(batch, sites);
  }

  /// Behind the last number of a tensor, among a network's.
  std::int64_t end_of(std::size_t tensor) const {
    return tensor + 1 == layout_.tensors.size() ? layout_.numbers : layout_.tensors[tensor + 1];
  }

  /// What the tape takes for one network, so that a group of networks fits where it is to.
  void count(std::int64_t bytes) { numbers_beside_ = bytes / static_cast<std::int64_t>(sizeof(float)); }

  void streams(RandomKey of_step, std::vector<RandomKey>& to) const override {
    for (std::size_t i = 0; i < definition_->sites().size(); ++i) to.push_back(of_step.at(i));
    if (definition_->items().crop > 0) to.push_back(of_step.at("crop"));
  }

  void forward(const DevicePass& pass) const override {
    const std::int64_t networks = pass.batches.networks;
    if (used_) tape_.reset();
    used_ = true;
    if (pass.training() && !definition_->sites().empty()) draw_dropout(pass, false);
    std::optional<NoGrad> judged;
    if (!pass.training()) judged.emplace(tape_);
    const Tensor all =
        Tensor::view_of(const_cast<float*>(pass.values), {networks, layout_.numbers}, DType::f32, {}, pass.backend());
    values_ = tape_.leaf(all);
    const Space& space = definition_->space();
    const std::span<Var> weights = tape_.variables(layout_.tensors.size());
    for (std::size_t t = 0; t < weights.size(); ++t) {
      const Shape shape = space.feature_shape(static_cast<int>(t), networks, 1);
      weights[t] = reshape(slice(values_, 1, layout_.tensors[t], end_of(t)), shape);
    }
    const DropBytes drop(
        definition_->sites(), [&](std::size_t number) { return site(pass, number); }, pass.training());
    output_ = definition_->forward(weights, tape_.constant(items_of(pass)), drop);
    Tensor::view_of(outputs_, output_.shape(), DType::f32, {}, pass.backend()).copy_from(output_.value());
  }

  void score(const DevicePass& pass, float* losses, std::int32_t* hits) const override {
    if (classifies) return DeviceNetworks::score(pass, losses, hits);
    const Shape& image = definition_->items().shape;
    loop(pass.backend(), pass.batches.networks * pass.batches.batch, 256,
         SquaredErrorRows{pass.batches, outputs_, pass.data.images, image[0], image[1] * image[2], losses});
  }

  void backward(const DevicePass& pass) const override {
    const Tensor cotangent = Tensor::view_of(outputs_, output_.shape(), DType::f32, {}, pass.backend());
    tape_.backward({&output_, 1}, {&cotangent, 1});
    const Tensor gradient = tape_.grad(values_).value();
    loop(pass.backend(), pass.batches.networks * pass.parts * layout_.numbers, 4096,
         FirstPart{pass.parts, layout_.numbers, gradient.address<float>(), pass.partial});
  }

 private:
  /// [networks, batch, shape of an item…], or places [networks, batch, 2]
  Tensor items_of(const DevicePass& pass) const {
    const ItemFormat format = definition_->items();
    const Shape& one = format.shape;
    if (format.views > 0) {
      const Tensor places = tape_.empty({pass.batches.networks, batch_, 2}, DType::f32);
      loop(pass.backend(), places.numel(), 1024, GatherPixels{pass.batches, one[1], one[2], places.address<float>()});
      return places;
    }
    if (format.texts()) {
      const Tensor texts = tape_.empty({pass.batches.networks, batch_, one[0], one[1]}, DType::f32);
      loop(pass.backend(), texts.numel(), 1024,
           GatherItemTexts{pass.batches, pass.data.tokens, pass.data.words, one[0], one[1], texts.address<float>()});
      return texts;
    }
    const Tensor images = tape_.empty({pass.batches.networks, batch_, one[0], one[1], one[2]}, DType::f32);
    loop(pass.backend(), images.numel(), 1024,
         GatherItemImages{.batches = pass.batches,
                          .from = pass.data.images,
                          .channels = one[0],
                          .rows = one[1],
                          .columns = one[2],
                          .crop = pass.training() ? format.crop : 0,
                          .stream = std::ssize(definition_->sites()),
                          .to = images.address<float>()});
    return images;
  }

  std::shared_ptr<const NetworkDefinition> definition_;
  std::int64_t batch_;
  mutable Arena own_;
  mutable Tape tape_;
  mutable bool used_ = false;
  mutable Var values_, output_;
};

/// One network's step on the CPU, in memory of the arena.
struct OneStep {
  Arena& arena;
  DefinedNetworks networks;
  std::int64_t items;
  DevicePass pass;
  float* losses;
  std::int32_t* hits;

  template <class T>
  static T* array(Arena& arena, std::int64_t n, T value) {
    T* p = arena.allocate_array<T>(static_cast<std::size_t>(n));
    std::fill_n(p, n, value);
    return p;
  }

  OneStep(const std::shared_ptr<const NetworkDefinition>& definition, NetworkWeights weights, const MiniBatch& batch,
          const Dropout* dropout, Arena& memory)
      : arena(memory),
        networks(definition, std::ssize(batch.items), nullptr, &memory),
        items(std::ssize(batch.items)),
        pass{.arena = memory, .batches = {}, .data = {}, .values = nullptr},
        losses(array(memory, items, 0.f)),
        hits(array(memory, items, 0)) {
    const DeviceLayout& layout = networks.layout();
    networks.place(array(arena, networks.numbers(), 0.f), 1);
    auto* values = array(arena, layout.numbers, 0.f);
    for (std::size_t t = 0; t < weights.size(); ++t) std::copy_n(weights[t], size(t), values + layout.tensors[t]);
    pass.values = values;
    pass.data.labels = batch.data.labels.data<std::int32_t>();
    if (batch.data.texts()) {
      pass.data.tokens = batch.data.tokens.data<std::int32_t>();
      pass.data.words = batch.data.word_vectors.data<float>();
    } else {
      pass.data.images = batch.data.images.data<float>();
    }
    pass.batches = {.steps = array(arena, 1, 0),
                    .items = batch.items.data(),
                    .lengths = nullptr,
                    .purposes = nullptr,
                    .shares = nullptr,
                    .images = array(arena, 1, static_cast<std::int32_t>(batch.image)),
                    .seed = 0,
                    .networks = 1,
                    .batch = items,
                    .streams = 0,
                    .shared = false};
    if (!dropout) return;
    std::vector<RandomKey> streams;
    networks.streams(dropout->key, streams);
    auto* purposes = array(arena, std::ssize(streams), std::uint64_t{0});
    for (std::size_t i = 0; i < streams.size(); ++i) purposes[i] = streams[i].purpose;
    pass.batches.purposes = purposes;
    pass.batches.streams = std::ssize(streams);
    pass.batches.seed = dropout->key.seed;
    pass.batches.shares = array(arena, 1, 1 / static_cast<float>(items));
    pass.thresholds = array(arena, 1, DropoutScale(dropout->rate).threshold);
    pass.partial = array(arena, layout.numbers, 0.f);
  }

  std::int64_t size(std::size_t tensor) const { return networks.end_of(tensor) - networks.layout().tensors[tensor]; }

  /// Outputs, losses and hits; in training the outputs become their gradient.
  void forward() {
    networks.forward(pass);
    networks.score(pass, losses, hits);
  }
};

}  // namespace

DefinedPopulation::DefinedPopulation(std::shared_ptr<const NetworkDefinition> definition)
    : definition_(std::move(definition)) {}

void DefinedPopulation::check(const Dataset& data) const {
  check_items(definition_->facts().name, data, definition_->items().shape,
              implicit() ? data.classes : definition_->outputs());
}

double DefinedPopulation::loss_and_gradient(NetworkWeights weights, const MiniBatch& batch, const Dropout& dropout,
                                            NetworkGradient gradient, Arena& arena) const {
  const Arena::Mark mark = arena.mark();
  double loss = 0;
  {
    OneStep step(definition_, weights, batch, &dropout, arena);
    step.forward();
    step.networks.backward(step.pass);
    for (std::size_t t = 0; t < gradient.size(); ++t)
      std::copy_n(step.pass.partial + step.networks.layout().tensors[t], step.size(t), gradient[t]);
    loss = std::accumulate(step.losses, step.losses + step.items, 0.) / static_cast<double>(step.items);
  }
  arena.rewind(mark);
  return loss;
}

Score DefinedPopulation::evaluate(NetworkWeights weights, const MiniBatch& items, Arena& arena) const {
  constexpr std::size_t at_once = 256;
  Score sum;
  for (std::size_t begin = 0; begin < items.items.size(); begin += at_once) {
    const Arena::Mark mark = arena.mark();
    {
      const MiniBatch some{items.data, items.items.subspan(begin, std::min(at_once, items.items.size() - begin)),
                           items.image};
      OneStep step(definition_, weights, some, nullptr, arena);
      step.forward();
      sum.loss += std::accumulate(step.losses, step.losses + step.items, 0.);
      sum.accuracy += std::accumulate(step.hits, step.hits + step.items, 0.);
    }
    arena.rewind(mark);
  }
  const auto n = static_cast<double>(items.items.size());
  return {sum.loss / n, implicit() ? NAN : sum.accuracy / n};
}

std::unique_ptr<DeviceNetworks> DefinedPopulation::on_device(Backend& backend, std::int64_t batch) const {
  // One step of one network on the CPU tells what a network takes.
  Arena arena;
  const ItemFormat format = definition_->items();
  const Shape& one = format.shape;
  Dataset data{.name = "nothing", .images = {}, .labels = Tensor::zeros({1}, DType::i32), .classes = 1};
  if (format.texts()) {
    data.tokens = Tensor::zeros({1, one[0]}, DType::i32);
    data.word_vectors = Tensor::zeros({1, one[1]}, DType::f32);
  } else {
    data.images = Tensor::zeros({1, one[0], one[1], one[2]}, DType::f32);
  }
  const std::vector<std::int32_t> items(static_cast<std::size_t>(batch), 0);
  std::vector<float> zeros(static_cast<std::size_t>(space().parameters()));
  std::vector<const float*> weights(space().tensors().size(), zeros.data());
  std::vector<float*> gradient(weights.size(), zeros.data());
  loss_and_gradient(weights, {data, items}, {}, gradient, arena);
  auto networks = std::make_unique<DefinedNetworks>(definition_, batch, &backend, nullptr);
  networks->count(static_cast<std::int64_t>(arena.peak()));
  return networks;
}

}  // namespace weft
