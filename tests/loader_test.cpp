// Zoos whose weights stay on the disk: reading them in batches, training on them, and what is wrong with them.

#include "weft/zoo/loader.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <numeric>
#include <set>

#include <doctest/doctest.h>
#include <unistd.h>

#include "weft/core/difference.h"
#include "weft/core/error.h"
#include "weft/tasks/fit.h"
#include "weft/tests/disk.h"
#include "weft/tests/files.h"
#include "weft/tests/model_settings.h"
#include "weft/tests/store_samples.h"
#include "weft/tests/with_threads.h"

using namespace weft;
using namespace weft::testing;

namespace {

namespace fs = std::filesystem;

/// A zoo of networks in shards of 7; with `views` implicit ones.
class SampleZoo {
 public:
  explicit SampleZoo(std::int64_t networks, std::int64_t views = 0)
      : space(mlp_space(std::vector<std::int64_t>{2, 4, 3, 1},
                        views ? FactorKind::sign_monomial : FactorKind::positive_monomial)) {
    ZooWriter writer(path, store_description(space, networks, 3, views));
    const RandomKey key(5, "loader_test");
    if (views > 0) {
      const Tensor pixels = Tensor::zeros({networks / views, 1, 4, 4}, DType::u8);
      for (std::uint64_t at = 0; std::uint8_t & pixel : pixels.span<std::uint8_t>())
        pixel = static_cast<std::uint8_t>(uniform_index(key, at++, 256));
      writer.save_images(pixels);
    }
    for (std::int64_t first = 0; first < networks; first += 7) {
      const std::int64_t n = std::min<std::int64_t>(7, networks - first);
      auto results = store_results(first, n, 1, key, views);
      for (ZooResult& r : results) r.diverged = false, r.loss = 1;
      writer.append(results, store_weights(space, n, key.at(static_cast<std::uint64_t>(first))));
    }
    writer.finish();
  }

  /// Writes over the first number of a tensor of an id.
  void damage(std::int64_t id, const std::string& tensor, float number) const {
    const fs::path shard = shard_of(id);
    const SafeTensors file = SafeTensors::open(shard);
    const std::int64_t size = file.shape(tensor).numel() / file.shape(tensor)[0];
    std::string bytes = read_text(shard);
    std::memcpy(bytes.data() + file.offset(tensor) + static_cast<std::size_t>(id % 7 * size) * sizeof number, &number,
                sizeof number);
    write_text(shard, bytes);
  }
  fs::path shard_of(std::int64_t id) const { return path / fmt::format("weights-{:05}.safetensors", id / 7); }

  Space space;
  TemporaryFolder folder;
  fs::path path = folder / "zoo";
};

bool same(std::span<const Tensor> a, std::span<const Tensor> b) {
  return std::ranges::equal(a, b, [](const Tensor& x, const Tensor& y) {
    return x.shape() == y.shape() && std::ranges::equal(x.span<float>(), y.span<float>());
  });
}

/// The ids of an epoch; its weights must be theirs.
std::vector<std::int64_t> epoch_of(const Zoo& zoo, ZooLoader& loader, std::int64_t epoch) {
  std::vector<std::int64_t> ids;
  loader.begin(epoch);
  for (std::int64_t i = 0; i < loader.batches(); ++i) {
    const ZooLoader::Batch& batch = loader.next();
    CHECK(same(batch.tensors, zoo.weights(batch.ids)));
    ids.insert(ids.end(), batch.ids.begin(), batch.ids.end());
  }
  return ids;
}

std::vector<std::int64_t> sorted(std::vector<std::int64_t> ids) {
  std::ranges::sort(ids);
  return ids;
}

}  // namespace

TEST_CASE(
    "the order of an epoch is a permutation whose windows have few blocks; one window is drawn as all items are") {
  const RandomKey key(1, "loader_test");
  for (std::uint64_t i = 0; i < 300; ++i) {
    const std::int64_t n = uniform_index(key.at(i), 0, 200), block = 1 + uniform_index(key.at(i), 1, 12),
                       window = 1 + uniform_index(key.at(i), 2, 9);
    INFO(n << " items, blocks of " << block << ", windows of " << window);
    const std::vector<std::int32_t> order = block_order(n, block, window, key.at(i));
    std::vector<std::int32_t> all(order), counted(static_cast<std::size_t>(n));
    std::ranges::sort(all);
    std::iota(counted.begin(), counted.end(), 0);
    CHECK(all == counted);
    if (n <= block * window) CHECK(order == permutation(n, key.at(i)));
    // The block that is smaller than the others moves the bounds of windows by less than a block.
    std::set<std::int32_t> first;
    for (std::int64_t j = 0; j < std::min(n, (window - 1) * block); ++j)
      first.insert(order[static_cast<std::size_t>(j)] / static_cast<std::int32_t>(block));
    CHECK(std::ssize(first) <= window);
  }
  CHECK(block_order(100, 5, 4, key.at(0)) != block_order(100, 5, 4, key.at(1)));
  CHECK_THROWS_WITH_AS(block_order(5, 0, 1, key), "[order] blocks of 0, windows of 1 blocks; allowed: 1 or more",
                       UsageError);
}

TEST_CASE("a loader gives every network once an epoch, in an order of seed and epoch alone") {
  const SampleZoo sample(40);
  const Zoo zoo = Zoo::open(sample.path);
  const std::vector<std::int64_t> ids = zoo.ids(0, ZooPart::train);
  const ZooLoaderConfig config{.batch = 6, .seed = 2, .block_bytes = 4 * 4 * sample.space.parameters(), .window = 2};
  std::vector<std::vector<std::int64_t>> seen;
  for (const int n : {1, 4}) {
    const WithThreads with(n);
    ZooLoader loader(zoo, ids, config);
    CHECK(loader.batches() == (std::ssize(ids) + 5) / 6);
    for (const std::int64_t epoch : {1, 2}) seen.push_back(epoch_of(zoo, loader, epoch));
    CHECK_THROWS_WITH_AS(
        loader.next(),
        fmt::format("[loader] no batch left of the {} of an epoch; begin() the next one", loader.batches()).c_str(),
        UsageError);
    // One that was not read to its end, and the same one again.
    loader.begin(7);
    loader.next();
    CHECK(epoch_of(zoo, loader, 2) == seen.back());
  }
  CHECK((seen[0] == seen[2] && seen[1] == seen[3] && seen[0] != seen[1]));
  for (const auto& epoch : seen) CHECK(sorted(epoch) == ids);
  ZooLoader other(zoo, ids, {.batch = 6, .seed = 3, .block_bytes = config.block_bytes, .window = 2});
  CHECK(epoch_of(zoo, other, 1) != seen[0]);
  CHECK_THROWS_AS(ZooLoader(zoo, {}, config), UsageError);
  CHECK_THROWS_AS(ZooLoader(zoo, {1, 99}, config), UsageError);
  CHECK_THROWS_AS(ZooLoader(zoo, ids, {.batch = 0}), UsageError);
  const ZooLoader unused(zoo, ids, config);  // ends all the same
}

TEST_CASE("what a loader's thread meets reaches who waits for the batch") {
  const SampleZoo sample(40);
  const Zoo zoo = Zoo::open(sample.path);
  std::vector<std::int64_t> ids(40);
  std::iota(ids.begin(), ids.end(), 0);
  const auto read = [&](ZooLoader& loader) { epoch_of(zoo, loader, 1); };
  ZooLoader loader(zoo, ids, {.batch = 3});
  read(loader);

  int made = 0;
  ZooLoader refuses(zoo, ids, {.batch = 3}, [&](auto, std::span<const Tensor> weights) {
    if (++made == 5) throw FormatError("no more");
    return std::vector(weights.begin(), weights.end());
  });
  refuses.begin(1);
  for (int i = 0; i < 4; ++i) CHECK_NOTHROW(refuses.next());
  for (int i = 0; i < 2; ++i) CHECK_THROWS_WITH_AS(refuses.next(), "no more", FormatError);
  CHECK_NOTHROW(read(refuses));

  // Written over in place, so that it is the file that was opened.
  const fs::path shard = sample.shard_of(9);
  const std::string bytes = read_text(shard);
  sample.damage(9, "b1", std::numeric_limits<float>::quiet_NaN());
  const std::string nan = fmt::format("[zoo] '{}': 'b1' of id 9 is not finite", shard.string());
  CHECK(message_of<NumericError>([&] { read(loader); }) == nan);
  CHECK(message_of<NumericError>([&] { zoo.weights(ids); }) == nan);
  CHECK(message_of<NumericError>([&] { zoo.check(); }) == nan);
  CHECK(message_of<NumericError>([&] { Zoo::open(sample.path).check(); }) == nan);
  write_text(shard, bytes);
  CHECK_NOTHROW(read(loader));

  REQUIRE(::truncate(shard.c_str(), 3000) == 0);
  const std::string at = fmt::format("[zoo] '{}': ", shard.string());
  CHECK(message_of<ReadError>([&] { read(loader); }) ==
        at + "was replaced or cut since the zoo was opened; open it again");
  fs::remove(shard);
  CHECK(message_of<ReadError>([&] { read(loader); }) == at + "No such file or directory");
  CHECK(message_of<ReadError>([&] { zoo.check(); }) == at + "No such file or directory");
}

TEST_CASE("a zoo is found by the hashes in its shards, which check() holds against the weights") {
  const SampleZoo sample(20);
  const Zoo zoo = Zoo::open(sample.path);
  CHECK_NOTHROW(zoo.check());
  double largest = 0;
  const std::int64_t id = 12;
  for (const Tensor& t : zoo.weights({&id, 1}))
    for (const float x : t.span<float>()) largest = worse(largest, std::abs(x));
  CHECK(zoo.largest_weight(id) == largest);

  // The hash does not read weights: it says what they were.
  sample.damage(15, "W2", 0.25f);
  CHECK(Zoo::open(sample.path).hash() == zoo.hash());
  const std::string message = message_of<FormatError>([&] { Zoo::open(sample.path).check(); });
  CHECK(message.starts_with("[zoo] '" + sample.shard_of(15).string() + "': 'W2' of id 15 has the hash "));

  // Older shards have no such columns.
  const SampleZoo older(20);
  for (int s = 0; s < 3; ++s) {
    std::vector<NamedTensor> tensors;
    const fs::path path = older.shard_of(7 * s);
    const SafeTensors shard = SafeTensors::open(path);
    for (const std::string& name : shard.names())
      if (name != "table.hash" && name != "table.largest") tensors.push_back({name, shard.tensor(name).clone()});
    CHECK(tensors.size() + 2 == shard.names().size());
    save_safetensors(path, tensors, shard.metadata());
  }
  const Zoo old = Zoo::open(older.path);
  CHECK_NOTHROW(old.check());
  CHECK(old.hash() == zoo.hash());
  CHECK(old.largest_weight(id) == largest);
  older.damage(15, "W2", 0.25f);
  CHECK(Zoo::open(older.path).hash() != zoo.hash());
}

namespace {

struct Trained {
  std::vector<Trainer::Epoch> log;
  std::vector<float> parameters;

  bool operator==(const Trained& other) const {
    const auto numbers = [](const Trainer::Epoch& e) { return std::tuple(e.epoch, e.train_loss, e.metrics); };
    return std::ranges::equal(log, other.log, {}, numbers, numbers) && parameters == other.parameters;
  }
};

/// resumed_at: the epoch after which another training goes on from the state of the first; 0: none.
Trained train(const Zoo& zoo, const char* kind, const Task& task, FitConfig config, std::size_t resumed_at = 0) {
  const auto make = [&] {
    return make_reader(kind, of_kind(kind, {{"channels", 4}, {"hidden", 8}}), zoo.space(), DType::f32,
                       RandomKey(6, "loader_test"), nullptr, task.outputs(zoo));
  };
  auto model = make();
  const auto begin = [&] {
    return std::make_unique<Fit>(*model, config, zoo, zoo.ids(0, ZooPart::train), zoo.ids(0, ZooPart::val), task);
  };
  auto fit = begin();
  fit->try_step();
  while (!fit->done()) {
    fit->run_epoch();
    if (fit->log().size() != resumed_at) continue;
    std::vector<std::pair<std::string, Tensor>> saved;
    for (const auto& [name, tensor] : fit->state()) saved.emplace_back(name, tensor.clone());
    fit.reset();
    model = make();
    fit = begin();
    fit->resume([&](const std::string& name) {
      return std::ranges::find(saved, name, [](const auto& s) { return s.first; })->second;
    });
  }
  const auto values = model->parameters().flat_values().span<float>();
  return {fit->log(), {values.begin(), values.end()}};
}

}  // namespace

TEST_CASE("a streamed training has the bits of one that holds its networks, on any threads, and after it is resumed") {
  const SampleZoo sample(90), images(90, 3);
  for (const char* kind : {"magep", "statnn", "ridge", "edit-magep"}) {
    const bool edits = std::string_view(kind) == "edit-magep";
    const Zoo zoo = Zoo::open(edits ? images.path : sample.path);
    const Task& learnt = task(edits ? "edit-dilate" : "accuracy");
    FitConfig config{.learning_rate = 1e-2, .batch = 7, .epochs = 3, .patience = 3, .seed = 3};
    config.permute_fixed = std::string_view(kind) == "magep";
    INFO(kind);
    const Trained held = train(zoo, kind, learnt, config);
    config.held = 0;
    CHECK(train(zoo, kind, learnt, config) == held);
    CHECK(train(zoo, kind, learnt, config, 1) == held);
    const WithThreads four(4);
    CHECK(train(zoo, kind, learnt, config) == held);
    config.seed = 4;
    if (!model_kind(kind).solved) CHECK_FALSE(train(zoo, kind, learnt, config) == held);
  }
}

TEST_CASE("a streamed training refuses a network that is not finite, by its id") {
  const SampleZoo sample(60);
  const Zoo zoo = Zoo::open(sample.path);
  const std::vector<std::int64_t> ids = zoo.ids(0, ZooPart::train);
  const auto model =
      make_reader("magep", {{"channels", 4}, {"hidden", 8}}, zoo.space(), DType::f32, RandomKey(7, "loader_test"));
  Fit fit(*model, {.batch = 4, .held = 0}, zoo, ids, zoo.ids(0, ZooPart::val));
  fit.run_epoch();
  const std::int64_t id = ids[ids.size() / 2];
  sample.damage(id, "W3", std::numeric_limits<float>::infinity());
  CHECK(message_of<NumericError>([&] { fit.run_epoch(); }) ==
        fmt::format("[zoo] '{}': 'W3' of id {} is not finite", sample.shard_of(id).string(), id));
}
