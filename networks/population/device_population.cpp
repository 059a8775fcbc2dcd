#include "weft/networks/population/device_population.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "weft/core/parallel.h"
#include "weft/networks/population/dropout_bytes.h"
#include "weft/nn/step_recorder.h"

namespace weft {
namespace {

/// Sums over a mini-batch are split: one product of a few hundred weights would leave most of a device idle.
constexpr std::int64_t most_parts = 8;

std::int64_t parts_of(std::int64_t batch) {
  std::int64_t parts = std::min(batch, most_parts);
  while (batch % parts != 0) --parts;
  return parts;
}

/// One chunk for all that follows: an arena's second one would be twice as large.
void reserve(Arena& arena, std::int64_t bytes) {
  arena.reset();
  arena.allocate(static_cast<std::size_t>(bytes));
  arena.reset();
}

/// Null for nothing.
template <class T>
T* put(std::span<const T> from, Arena& arena) {
  if (from.empty()) return nullptr;
  T* to = arena.allocate_array<T>(from.size());
  arena.backend()->upload(to, from.data(), from.size_bytes());
  return to;
}
template <class T>
T* put(const std::vector<T>& from, Arena& arena) {
  return put(std::span<const T>(from), arena);
}
template <class T>
const T* put(const Tensor& from, Arena& arena) {
  return from.defined() ? put(std::span<const T>(from.span<T>()), arena) : nullptr;
}

std::int64_t bytes_of(const Dataset& data) {
  std::size_t sum = 0;
  for (const Tensor& t : {data.images, data.labels, data.tokens, data.word_vectors})
    if (t.defined()) sum += t.bytes() + 1024;
  return static_cast<std::int64_t>(sum);
}

DeviceData put(const Dataset& data, Arena& arena) {
  return {put<float>(data.images, arena), put<std::int32_t>(data.labels, arena), put<std::int32_t>(data.tokens, arena),
          put<float>(data.word_vectors, arena)};
}

template <class Rule>
void write_constants(const UpdateRule& rule, double rate, std::int64_t step, float* to) {
  const Rule body(rule, rate, step);
  static_assert(sizeof(body) <= sizeof(float) * NetworkUpdate::most);
  std::memcpy(to, &body, sizeof(body));
}

NetworkUpdate update_of(const UpdateRule& rule, double rate, std::int64_t step) {
  NetworkUpdate update{static_cast<std::int32_t>(rule.kind), static_cast<std::int32_t>(step), {}, {}};
  UpdateRule of_biases = rule;
  of_biases.weight_decay = 0;
  switch (rule.kind) {
#define WEFT_KIND(kind, Body)                                              \
  case UpdateRule::Kind::kind:                                             \
    write_constants<Body<float>>(rule, rate, step, update.of_weights);     \
    write_constants<Body<float>>(of_biases, rate, step, update.of_biases); \
    break;
    WEFT_UPDATE_RULES(WEFT_KIND)
#undef WEFT_KIND
    case UpdateRule::Kind::count:
      break;
  }
  return update;
}

}  // namespace

/// What the steps of a group of networks read, on the CPU.
struct DevicePopulation::Inputs {
  std::vector<std::int64_t> networks{};
  std::int64_t steps = 0;
  bool shared = false, training = false;
  std::vector<std::int32_t> items{}, lengths{}, images{};
  std::vector<float> values{};
  // Training.
  std::vector<float> first{}, second{}, shares{};
  std::vector<std::uint64_t> purposes{};
  std::vector<NetworkUpdate> updates{};
  std::vector<std::int32_t> thresholds{};
};

/// A group of networks in the device's memory, and its launches.
struct DevicePopulation::Resident {
  DevicePass pass;
  float* losses;
  std::int32_t* hits;
  TallyRows tally;
  UpdateNetworks update;
};

DevicePopulation::DevicePopulation(Backend& backend, const PopulationModel& model, const Dataset& train,
                                   const PopulationDraws& draws, std::int64_t bytes)
    : backend_(backend),
      model_(model),
      train_(train),
      draws_(draws),
      networks_(model.on_device(backend, draws.plan().batch)),
      resident_(backend.memory()),
      guest_(backend.memory()),
      group_(backend.memory()) {
  std::vector<RandomKey> streams;
  networks_->streams(RandomKey(0, "streams"), streams);
  streams_ = static_cast<std::int64_t>(streams.size());
  constexpr std::int64_t most = std::int64_t{16} << 30;  // its numbers are counted in 32 bits
  if (bytes_of_network() > most)
    throw UsageError("[population] a network takes {} on a device; allowed: {}; take a smaller mini-batch",
                     bytes_text(static_cast<std::size_t>(bytes_of_network())), bytes_text(most));
  at_once_ = std::max<std::int64_t>(1, bytes / bytes_of_network());
  const std::vector<std::uint8_t>& decays = networks_->layout().decays;
  reserve(resident_, bytes_of(train) + static_cast<std::int64_t>(decays.size()) + 1024);
  train_data_ = put(train, resident_);
  decays_ = put(decays, resident_);
}

DevicePopulation::~DevicePopulation() = default;

std::int64_t DevicePopulation::bytes_of_network() const {
  const std::int64_t batch = draws_.plan().batch, steps = draws_.steps();
  const std::int64_t of_step =
      4 * batch + static_cast<std::int64_t>(sizeof(NetworkUpdate)) + 8 * streams_ + (networks_->lengths() ? 4 : 0);
  constexpr std::int64_t counters = 32;
  return 4 * (networks_->numbers() + networks_->numbers_beside() +
              (4 + parts_of(batch)) * networks_->layout().numbers) +
         steps * of_step + 8 * batch + counters;
}

std::vector<std::vector<std::int64_t>> DevicePopulation::groups(const std::vector<std::int64_t>& networks) const {
  const auto all = static_cast<std::int64_t>(networks.size()), count = (all + at_once_ - 1) / at_once_;
  std::vector<std::vector<std::int64_t>> groups;
  for (std::int64_t g = 0; g < count; ++g)
    groups.emplace_back(networks.begin() + all * g / count, networks.begin() + all * (g + 1) / count);
  return groups;
}

/// The networks' numbers as they lie on the device.
std::vector<float> DevicePopulation::gather(const std::vector<Tensor>& tensors,
                                            const std::vector<std::int64_t>& networks) const {
  const DeviceLayout& layout = networks_->layout();
  const auto stride = static_cast<std::size_t>(layout.numbers);
  std::vector<float> flat(tensors.empty() ? 0 : networks.size() * stride);
  parallel_blocks(static_cast<std::int64_t>(networks.size()), 1, [&](std::int64_t i, std::int64_t) {
    float* to = flat.data() + static_cast<std::size_t>(i) * stride;
    const std::int32_t* place = layout.place.data();
    for (const Tensor& t : tensors)
      for (float number : t[networks[static_cast<std::size_t>(i)]].span<float>()) to[*place++] = number;
  });
  return flat;
}

void DevicePopulation::scatter(const float* from, const std::vector<Tensor>& tensors,
                               const std::vector<std::int64_t>& networks) const {
  if (tensors.empty()) return;
  const DeviceLayout& layout = networks_->layout();
  std::vector<float> flat(networks.size() * static_cast<std::size_t>(layout.numbers));
  backend_.download(flat.data(), from, flat.size() * sizeof(float));
  parallel_blocks(static_cast<std::int64_t>(networks.size()), 1, [&](std::int64_t i, std::int64_t) {
    const float* of_network = flat.data() + i * layout.numbers;
    const std::int32_t* place = layout.place.data();
    for (const Tensor& t : tensors)
      for (float& number : t[networks[static_cast<std::size_t>(i)]].span<float>()) number = of_network[*place++];
  });
}

DevicePopulation::Inputs DevicePopulation::inputs(std::vector<std::int64_t> networks, std::int64_t steps,
                                                  bool shared) const {
  Inputs in{.networks = std::move(networks), .steps = steps, .shared = shared};
  const std::size_t lists = shared ? 1 : in.networks.size(), n = static_cast<std::size_t>(steps);
  in.items.assign(n * lists * static_cast<std::size_t>(draws_.plan().batch), -1);
  if (networks_->lengths()) in.lengths.assign(n * in.networks.size(), 1);
  if (model_.implicit())
    for (const std::int64_t network : in.networks)
      in.images.push_back(static_cast<std::int32_t>(model_.image_of(draws_.number(network))));
  return in;
}

/// The items of one network, or of all that share them.
void DevicePopulation::add_items(Inputs& to, std::size_t network, const Dataset& data,
                                 std::span<const std::int32_t> items) const {
  const auto batch = static_cast<std::size_t>(draws_.plan().batch);
  const std::size_t lists = to.shared ? 1 : to.networks.size();
  for (std::size_t step = 0; step * batch < items.size(); ++step) {
    const auto some = items.subspan(step * batch, std::min(batch, items.size() - step * batch));
    std::copy(some.begin(), some.end(),
              to.items.begin() + static_cast<std::ptrdiff_t>((step * lists + network) * batch));
    if (to.lengths.empty()) continue;
    const auto length = static_cast<std::int32_t>(networks_->length({data, some}));
    const auto row = to.lengths.begin() + static_cast<std::ptrdiff_t>(step * to.networks.size());
    if (to.shared)
      std::fill_n(row, to.networks.size(), length);
    else
      row[static_cast<std::ptrdiff_t>(network)] = length;
  }
}

DevicePopulation::Inputs DevicePopulation::training_inputs(std::int64_t epoch, const State& state,
                                                           std::vector<std::int64_t> networks) const {
  Inputs in = inputs(std::move(networks), draws_.steps(), false);
  in.training = true;
  in.values = gather(state.weights, in.networks);
  in.first = gather(state.first, in.networks);
  in.second = gather(state.second, in.networks);
  const std::int64_t items = draws_.items(), batch = draws_.plan().batch;
  for (std::int64_t s = 0; s < in.steps; ++s)
    in.shares.push_back(1.f / static_cast<float>(std::min(batch, items - s * batch)));
  const std::size_t count = in.networks.size(), all = count * static_cast<std::size_t>(in.steps);
  in.purposes.resize(all * static_cast<std::size_t>(streams_));
  in.updates.resize(all);
  in.thresholds.resize(count);
  std::vector<std::int32_t> of_all;
  if (draws_.one_order()) of_all = draws_.order(0, epoch);
  parallel_blocks(static_cast<std::int64_t>(count), 1, [&](std::int64_t place, std::int64_t) {
    const auto i = static_cast<std::size_t>(place);
    const std::int64_t n = in.networks[i];
    add_items(in, i, train_, draws_.one_order() ? of_all : draws_.order(n, epoch));
    in.thresholds[i] = DropoutScale(draws_.recipe(n).dropout).threshold;
    std::vector<RandomKey> streams;
    for (std::int64_t s = 0; s < in.steps; ++s) {
      const std::int64_t step = epoch * in.steps + s + 1;
      const std::size_t at = static_cast<std::size_t>(s) * count + i;
      in.updates[at] = update_of(draws_.recipe(n).rule, draws_.learning_rate(n, step), step);
      streams.clear();
      networks_->streams(draws_.dropout(n, step).key, streams);
      for (std::size_t k = 0; k < streams.size(); ++k) in.purposes[at * streams.size() + k] = streams[k].purpose;
    }
  });
  return in;
}

DevicePopulation::Resident DevicePopulation::place(const Inputs& in, const DeviceData& data) {
  const auto networks = static_cast<std::int64_t>(in.networks.size()), batch = draws_.plan().batch;
  const std::int64_t numbers = networks_->layout().numbers, parts = parts_of(batch);
  const auto array = [&]<class T>(T, std::int64_t n) { return group_.allocate_array<T>(static_cast<std::size_t>(n)); };
  constexpr std::int64_t rounding = 1 << 14;  // of the few arrays' addresses
  reserve(group_, networks * (bytes_of_network() - 4 * networks_->numbers_beside()) +
                      static_cast<std::int64_t>(4 * (in.shares.size() + in.items.size())) + rounding);
  networks_->place(array(0.f, networks * networks_->numbers()), networks);
  const std::vector<std::int32_t> zeros(static_cast<std::size_t>(networks), 0);
  const std::vector<double> zero_sums(static_cast<std::size_t>(networks), 0);
  std::int32_t* steps = put(zeros, group_);
  const DeviceBatches batches{.steps = steps,
                              .items = put(in.items, group_),
                              .lengths = put(in.lengths, group_),
                              .purposes = put(in.purposes, group_),
                              .shares = put(in.shares, group_),
                              .images = put(in.images, group_),
                              .seed = draws_.plan().seed,
                              .networks = networks,
                              .batch = batch,
                              .streams = streams_,
                              .shared = in.shared};
  float *losses = array(0.f, networks * batch), *values = put(in.values, group_);
  std::int32_t* hits = array(std::int32_t{}, networks * batch);
  Resident group{.pass = {.arena = group_, .batches = batches, .data = data, .values = values},
                 .losses = losses,
                 .hits = hits,
                 .tally = {},
                 .update = {}};
  if (in.training) {
    group.pass.thresholds = put(in.thresholds, group_);
    group.pass.partial = array(0.f, networks * parts * numbers);
    group.pass.parts = parts;
    group.update = {.networks = networks,
                    .batch = batch,
                    .numbers = numbers,
                    .parts = parts,
                    .updates = put(in.updates, group_),
                    .steps = steps,
                    .diverged_at = put(zeros, group_),
                    .losses = losses,
                    .partial = group.pass.partial,
                    .decays = decays_,
                    .gradient = array(0.f, networks * numbers),
                    .values = values,
                    .first = put(in.first, group_),
                    .second = put(in.second, group_)};
  } else {
    group.tally = {batch, losses, hits, steps, put(zero_sums, group_), put(zero_sums, group_)};
  }
  return group;
}

void DevicePopulation::train_epoch(std::int64_t epoch, const State& state,
                                   const std::function<void(std::int64_t)>& progress) {
  std::vector<std::int64_t> alive;
  for (std::int64_t n = 0; n < draws_.networks(); ++n)
    if (state.diverged_at[static_cast<std::size_t>(n)] == 0) alive.push_back(n);
  std::int64_t done = draws_.networks() - static_cast<std::int64_t>(alive.size());
  const std::vector<std::vector<std::int64_t>> all = groups(alive);
  Inputs next{};
  if (!all.empty()) next = training_inputs(epoch, state, all[0]);
  for (std::size_t g = 0; g < all.size(); ++g) {
    const Inputs in = std::move(next);
    const Resident group = place(in, train_data_);
    const auto networks = static_cast<std::int64_t>(in.networks.size());
    networks_->prepare(group.pass);
    StepRecorder recorder(&backend_);
    const std::function<void()> step = [&] {
      networks_->forward(group.pass);
      networks_->score(group.pass, group.losses, group.hits);
      networks_->backward(group.pass);
      team_loop(&backend_, group_, networks, 1, group.update);
    };
    for (std::int64_t s = 0; s < in.steps; ++s) recorder.run(step);
    if (fallback_.empty()) fallback_ = recorder.refusal();
    if (g + 1 < all.size()) next = training_inputs(epoch, state, all[g + 1]);  // while the device works
    scatter(group.update.values, state.weights, in.networks);
    scatter(group.update.first, state.first, in.networks);
    scatter(group.update.second, state.second, in.networks);
    std::vector<std::int32_t> diverged_at(in.networks.size());
    backend_.download(diverged_at.data(), group.update.diverged_at, diverged_at.size() * sizeof(std::int32_t));
    for (std::size_t i = 0; i < in.networks.size(); ++i)
      state.diverged_at[static_cast<std::size_t>(in.networks[i])] = diverged_at[i];
    done += networks;
    if (progress) progress(done);
  }
}

std::vector<Score> DevicePopulation::evaluate(const std::vector<Tensor>& weights, const Dataset& data,
                                              const ItemLists& items) {
  DeviceData on_device = train_data_;
  if (&data != &train_) {
    reserve(guest_, bytes_of(data));
    on_device = put(data, guest_);
  }
  std::vector<std::int64_t> everyone(static_cast<std::size_t>(draws_.networks()));
  std::iota(everyone.begin(), everyone.end(), 0);
  std::vector<Score> scores(everyone.size());
  for (const std::vector<std::int64_t>& some : groups(everyone)) {
    std::vector<std::vector<std::int32_t>> lists;
    std::size_t longest = 0;
    for (std::size_t i = 0; i < (items.shared ? 1 : some.size()); ++i) {
      lists.push_back(items.of(some[i]));
      longest = std::max(longest, lists.back().size());
    }
    const std::int64_t batch = draws_.plan().batch;
    Inputs in = inputs(some, (static_cast<std::int64_t>(longest) + batch - 1) / batch, items.shared);
    for (std::size_t i = 0; i < lists.size(); ++i) add_items(in, i, data, lists[i]);
    in.values = gather(weights, some);
    const Resident group = place(in, on_device);
    const auto networks = static_cast<std::int64_t>(some.size());
    networks_->prepare(group.pass);
    StepRecorder recorder(&backend_);
    const std::function<void()> step = [&] {
      networks_->forward(group.pass);
      networks_->score(group.pass, group.losses, group.hits);
      team_loop(&backend_, group_, networks, 1, group.tally);
    };
    for (std::int64_t s = 0; s < in.steps; ++s) recorder.run(step);
    if (fallback_.empty()) fallback_ = recorder.refusal();
    std::vector<double> loss(some.size()), hits(some.size());
    backend_.download(loss.data(), group.tally.loss, loss.size() * sizeof(double));
    backend_.download(hits.data(), group.tally.hit, hits.size() * sizeof(double));
    for (std::size_t i = 0; i < some.size(); ++i) {
      const auto count = static_cast<double>(lists[items.shared ? 0 : i].size());
      scores[static_cast<std::size_t>(some[i])] = {loss[i] / count, networks_->classifies ? hits[i] / count : NAN};
    }
  }
  return scores;
}

}  // namespace weft
