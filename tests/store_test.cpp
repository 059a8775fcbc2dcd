#include "weft/zoo/store.h"

#include <array>
#include <cstring>
#include <functional>
#include <set>
#include <sstream>

#include <doctest/doctest.h>

#include "weft/core/error.h"
#include "weft/io/json.h"
#include "weft/tests/disk.h"
#include "weft/tests/files.h"
#include "weft/tests/store_samples.h"
#include "weft/tests/with_threads.h"

using namespace weft;
using namespace weft::testing;
using Existing = ZooWriter::Existing;

namespace {

/// Spaces of every kind: taps, heads with their own GL, a tensor without axes.
const std::vector<Space>& spaces() {
  static const std::vector<Space> all{
      small_space(),
      mlp_space(std::array<std::int64_t, 4>{5, 4, 3, 2}, FactorKind::sign_monomial),
      transformer_space({4, 5, 2, 3, 2, 2}, true),
      Space::parse("h: permutation(3) scale b[h; taps=2x2]"),
  };
  return all;
}

bool same_bytes(const float* a, const float* b, std::int64_t n) {
  return std::memcmp(a, b, static_cast<std::size_t>(n) * sizeof(float)) == 0;
}

bool same_result(const ZooResult& a, const ZooResult& b) {
  const auto same = [](double x, double y) { return x == y || (x != x && y != y); };
  return a.network == b.network && a.epoch == b.epoch && a.diverged == b.diverged && same(a.accuracy, b.accuracy) &&
         same(a.loss, b.loss) && same(a.train_accuracy, b.train_accuracy);
}

/// Gives the checkpoints of a finished zoo other ids, in its table and in its shards.
void renumber_ids(const std::filesystem::path& zoo, const std::function<std::int64_t(std::int64_t)>& renamed) {
  std::istringstream table(read_text(zoo / "table.csv"));
  std::string line, text;
  std::getline(table, line);
  text = line + "\n";
  while (std::getline(table, line)) {
    const auto comma = line.find(',');
    text += std::to_string(renamed(std::stoll(line.substr(0, comma)))) + line.substr(comma) + "\n";
  }
  write_text(zoo / "table.csv", text);
  for (const auto& path : files_in(zoo)) {
    if (path.extension() != ".safetensors") continue;
    std::vector<NamedTensor> tensors;
    Metadata metadata;
    {
      const SafeTensors shard = SafeTensors::open(path);
      for (const std::string& name : shard.names()) tensors.push_back({name, shard.tensor(name).clone()});
      metadata = shard.metadata();
    }
    for (auto& [name, tensor] : tensors)
      if (name == "table.id")
        for (std::int32_t& id : tensor.span<std::int32_t>()) id = static_cast<std::int32_t>(renamed(id));
    save_safetensors(path, tensors, metadata);
  }
}

/// A writer of three networks in the small space that was given one row of network 0.
struct Started {
  TemporaryFolder folder;
  ZooWriter writer{folder / "zoo", store_description(small_space(), 3, 1)};
  std::vector<Tensor> weights = store_weights(small_space(), 1, RandomKey(1, "store_test"));

  Started() { writer.append(store_results(0, 1, 1, RandomKey(1, "store_test")), weights); }
  template <class E>
  std::string error(std::span<const ZooResult> results) {
    return message_of<E>([&] { writer.append(results, weights); });
  }
};

}  // namespace

TEST_CASE("a zoo gives back what was written: description, rows, and the weights of any rows in any order") {
  for (std::uint64_t n = 0; n < 24; ++n) {
    INFO(n);
    const RandomKey key = RandomKey(n, "store_test");
    const Space& space = spaces()[n % spaces().size()];
    const std::int64_t networks = 1 + uniform_index(key, 0, 12), epochs = 1 + uniform_index(key, 1, 3);
    const TemporaryFolder folder;
    const ZooDescription description = store_description(space, networks, n);
    std::vector<ZooResult> results;
    std::vector<std::vector<Tensor>> weights;  // [row][tensor]
    ZooWriter writer(folder / "zoo/", description);
    for (std::int64_t first = 0; first < networks;) {
      const std::int64_t chunk =
          std::min(1 + uniform_index(key, 10 + static_cast<std::uint64_t>(first), 5), networks - first);
      for (std::int64_t e = 0; e < epochs; ++e) {
        const auto stacked = store_weights(space, chunk, key.at(results.size()));
        const auto appended = store_results(first, chunk, e, key);
        writer.append(appended, stacked);
        results.insert(results.end(), appended.begin(), appended.end());
        for (std::int64_t i = 0; i < chunk; ++i) {
          weights.emplace_back();
          for (const Tensor& t : stacked) weights.back().push_back(t[i]);
        }
      }
      first += chunk;
    }
    CHECK(writer.rows() == networks * epochs);
    CHECK(!writer.complete());
    writer.finish();
    CHECK(writer.complete());
    CHECK(folder.names() == std::vector<std::string>{"zoo"});

    const Zoo zoo = Zoo::open(folder / "zoo");
    CHECK(zoo.description() == description);
    REQUIRE(zoo.rows().size() == results.size());
    const auto splits = draw_splits(networks, description.seed);
    for (std::size_t r = 0; r < results.size(); ++r) {
      CHECK(zoo.rows()[r].id == static_cast<std::int64_t>(r));
      CHECK(same_result(zoo.rows()[r], results[r]));
      CHECK(zoo.rows()[r].splits == splits[static_cast<std::size_t>(results[r].network)]);
    }
    std::vector<std::int64_t> ids;
    for (std::uint64_t i = 0; i < 20; ++i)
      ids.push_back(uniform_index(key.at("ids"), i, static_cast<std::int64_t>(results.size())));
    const auto found = zoo.weights(ids);
    for (std::size_t t = 0; t < found.size(); ++t) {
      CHECK(found[t].shape() == space.feature_shape(static_cast<int>(t), 20, 1));
      for (std::size_t i = 0; i < ids.size(); ++i) {
        const Tensor row = found[t][static_cast<std::int64_t>(i)];
        CHECK(same_bytes(row.data<float>(), weights[static_cast<std::size_t>(ids[i])][t].data<float>(), row.numel()));
      }
    }
    CHECK(zoo.weights({}).size() == space.tensors().size());
  }
}

TEST_CASE("splits: 70 / 15 / 15 of the networks, seeded, five different ones") {
  for (std::int64_t networks : {1, 3, 7, 10, 100, 1001}) {
    INFO(networks);
    const auto splits = draw_splits(networks, 3);
    CHECK(splits == draw_splits(networks, 3));
    std::set<std::vector<ZooPart>> different;
    for (std::size_t k = 0; k < 5; ++k) {
      std::vector<ZooPart> column;
      for (const ZooSplits& s : splits) column.push_back(s[k]);
      const auto count = [&](ZooPart part) { return std::count(column.begin(), column.end(), part); };
      CHECK(std::abs(static_cast<double>(count(ZooPart::val)) - 0.15 * static_cast<double>(networks)) <= 0.5);
      CHECK(count(ZooPart::test) == count(ZooPart::val));
      different.insert(column);
    }
    if (networks >= 100) {
      CHECK(different.size() == 5);
      CHECK(splits != draw_splits(networks, 4));
    }
  }
}

TEST_CASE("ids() and gather() say what they do not have") {
  const TemporaryFolder folder;
  train_store_sample(folder / "zoo", Existing::refuse);
  const Zoo zoo = Zoo::open(folder / "zoo");
  for (int split = 0; split < 5; ++split) {
    std::set<std::int64_t> all;
    for (ZooPart part : {ZooPart::train, ZooPart::val, ZooPart::test})
      for (std::int64_t id : zoo.ids(split, part)) {
        CHECK(zoo.row(id).splits[static_cast<std::size_t>(split)] == part);
        CHECK(all.insert(id).second);
      }
    CHECK(all.size() == zoo.rows().size());
  }
  CHECK(message_of<UsageError>([&] { zoo.ids(5, ZooPart::val); }) == "[zoo] split 5; allowed: 0 to 4");
  const std::vector<std::int64_t> unknown{3, 99}, one{0};
  CHECK(message_of<UsageError>([&] { zoo.weights(unknown); }) ==
        "[zoo] no id 99; the zoo has 14 rows, with ids from 0 to 13");
  CHECK(message_of<ShapeError>([&] { zoo.gather(one, {}); }) == "[zoo] 0 tensors to gather into; the space has 4");
  const auto two = store_weights(zoo.space(), 2, RandomKey(0, "store_test"));
  CHECK(message_of<ShapeError>([&] { zoo.gather(one, two); }) ==
        "[zoo] 'W1' gathered into shape [2, 6, 4, 3]; allowed: [1, 6, 4, 3]");
}

TEST_CASE("ids are names: shifted, reversed and with gaps they find the rows and weights that they name") {
  const TemporaryFolder folder;
  train_store_sample(folder / "zoo", Existing::refuse);
  const Zoo plain = Zoo::open(folder / "zoo");
  const std::int64_t last = static_cast<std::int64_t>(plain.rows().size()) - 1;
  const std::function<std::int64_t(std::int64_t)> others[] = {[](std::int64_t id) { return id + 100; },
                                                              [=](std::int64_t id) { return last - id; },
                                                              [](std::int64_t id) { return 7 * id + 3; }};
  for (const auto& renamed : others) {
    const TemporaryFolder copy;
    std::filesystem::copy(folder / "zoo", copy / "zoo");
    renumber_ids(copy / "zoo", renamed);
    const Zoo zoo = Zoo::open(copy / "zoo");
    for (const ZooRow& row : plain.rows()) {
      const std::int64_t id = renamed(row.id);
      CHECK(zoo.row(id).id == id);
      CHECK(same_result(zoo.row(id), row));
      const auto expected = plain.weights(std::array{row.id}), found = zoo.weights(std::array{id});
      for (std::size_t t = 0; t < found.size(); ++t)
        CHECK(same_bytes(found[t].data<float>(), expected[t].data<float>(), found[t].numel()));
    }
    std::vector<std::int64_t> mapped;
    for (const std::int64_t id : plain.ids(2, ZooPart::train)) mapped.push_back(renamed(id));
    CHECK(zoo.ids(2, ZooPart::train) == mapped);
    CHECK_THROWS_AS(zoo.row(renamed(last) + 1000), const UsageError&);
  }
}

TEST_CASE("a zoo's hash: its content, wherever it lies and whatever its ids; other numbers are found") {
  const TemporaryFolder folder;
  train_store_sample(folder / "zoo", Existing::refuse);
  const std::string hash = Zoo::open(folder / "zoo").hash();
  CHECK(hash.size() == 16);
  std::filesystem::copy(folder / "zoo", folder / "moved");
  renumber_ids(folder / "moved", [](std::int64_t id) { return 2 * id + 9; });
  CHECK(Zoo::open(folder / "moved").hash() == hash);
  for (int n : {1, 3}) {
    const WithThreads with(n);
    CHECK(Zoo::open(folder / "zoo").hash() == hash);
  }
  {
    std::string weights = read_text(folder / "moved/weights-00003.safetensors");
    std::uint64_t header = 0;
    std::memcpy(&header, weights.data(), sizeof header);
    const Json entries = Json::parse(std::string_view(weights).substr(sizeof header, header));
    const std::uint64_t begin = *entries.find("W1")->find("data_offsets")->list()->front().natural();
    weights[sizeof header + header + begin] ^= 1;  // the lowest bit of a weight
    write_text(folder / "moved/weights-00003.safetensors", weights);
    // The hash stands for what was written, and does not read it: who wants to know checks.
    const Zoo changed = Zoo::open(folder / "moved");
    CHECK(changed.hash() == hash);
    CHECK_THROWS_AS(changed.check(), const FormatError&);
  }
  std::string json = read_text(folder / "zoo/zoo.json");
  const auto at = json.find("glyphs");
  REQUIRE(at != json.npos);
  write_text(folder / "zoo/zoo.json", json.replace(at, 1, "G"));
  CHECK(Zoo::open(folder / "zoo").hash() != hash);
}

TEST_CASE("what exists is left alone unless resume or replace is asked for") {
  const TemporaryFolder folder;
  const auto zoo = folder / "zoo", part = folder / "zoo.part";
  const auto refused = [&](Existing existing, std::uint64_t seed = 5) {
    return message_of<UsageError>(
        [&] { ZooWriter(zoo, store_description(small_space(), store_networks, seed), existing); });
  };
  { ZooWriter(zoo, store_description(small_space(), store_networks, 5)); }
  CHECK(refused(Existing::refuse) ==
        "[zoo] '" + part.string() + "' holds an unfinished zoo; resume it, replace it or choose another folder");
  CHECK(refused(Existing::resume, 6)
            .starts_with("[zoo] '" + part.string() + "' has another description: /seed is 5 there and 6 here"));
  CHECK(message_of<DiskError>([&] { Zoo::open(zoo); }) ==
        "[zoo] '" + part.string() + "' is not finished; resume the run that writes it");
  CHECK(message_of<DiskError>([&] { Zoo::open(part); }) ==
        "[zoo] '" + part.string() + "' is not finished; resume the run that writes it");
  CHECK(message_of<DiskError>([&] { Zoo::open(folder / "none"); }) ==
        "[zoo] '" + (folder / "none").string() + "': no zoo.json and table.csv: not a zoo");
  {
    ZooWriter writer(zoo, store_description(small_space(), store_networks, 5), Existing::resume);
    CHECK(message_of<DiskError>(
              [&] { ZooWriter(zoo, store_description(small_space(), store_networks, 5), Existing::resume); }) ==
          "[lock] '" + part.string() + "': another process is writing there; wait for it or choose another folder");
  }
  train_store_sample(zoo, Existing::resume);
  CHECK(refused(Existing::refuse) == "[zoo] '" + zoo.string() + "' is there; replace it or choose another folder");
  ZooDescription other = store_description(small_space(), store_networks, 5);
  other.seed = 6;
  CHECK(message_of<UsageError>([&] { ZooWriter(zoo, other, Existing::resume); }) ==
        "[zoo] '" + zoo.string() +
            "' has another description: /seed is 5 there and 6 here; resume with the same one, or replace it");
  std::filesystem::create_directory(part);  // as a run leaves it that was killed before it wrote zoo.json
  write_text(part / ".weft-1-0.tmp", "");
  CHECK(message_of<UsageError>([&] {
          ZooWriter(zoo, other, Existing::resume);
        }).starts_with("[zoo] '" + zoo.string() + "' has another description: /seed"));
  std::filesystem::remove_all(part);
  CHECK(ZooWriter(zoo, store_description(small_space(), store_networks, 5), Existing::resume).complete());
  CHECK(folder.names() == std::vector<std::string>{"zoo"});

  // Replacing keeps the old one until the new one is complete.
  {
    ZooWriter writer(zoo, other, Existing::replace);
    CHECK(Zoo::open(zoo).description().seed == 5);
  }
  CHECK(Zoo::open(zoo).description().seed == 5);
  ZooWriter writer(zoo, other, Existing::resume);
  writer.append(store_results(0, store_networks, 1, RandomKey(0, "x")),
                store_weights(small_space(), store_networks, RandomKey(0, "x")));
  writer.finish();
  CHECK(Zoo::open(zoo).description().seed == 6);
  CHECK(folder.names() == std::vector<std::string>{"zoo"});
}

TEST_CASE("a folder that holds anything else is never written to, let alone emptied") {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder / "home/zoo.json.d");
  write_text(folder / "home/weights-1.safetensors", "mine");
  write_text(folder / "file", "mine");
  for (Existing existing : {Existing::refuse, Existing::resume, Existing::replace}) {
    const auto error = [&](const char* name) {
      return message_of<UsageError>(
          [&] { ZooWriter(folder / name, store_description(small_space(), 2, 5), existing); });
    };
    CHECK(error("home").starts_with("[zoo] '" + (folder / "home").string() + "' holds '"));
    CHECK(error("home").ends_with("', which is no part of a zoo; choose another folder"));
    CHECK(error("file") == "[zoo] '" + (folder / "file").string() + "' is not a folder; choose another name");
    CHECK(folder.names() == std::vector<std::string>{"file", "home"});
  }
  CHECK(read_text(folder / "home/weights-1.safetensors") == "mine");
  std::filesystem::create_directory(folder / "empty");
  CHECK_NOTHROW(train_store_sample(folder / "empty", Existing::refuse));
  std::filesystem::create_directory_symlink(folder / "empty", folder / "link");
  CHECK_NOTHROW(train_store_sample(folder / "link", Existing::replace));
  CHECK(std::filesystem::is_symlink(folder / "link"));
  CHECK(Zoo::open(folder / "link").rows().size() == 14);
}

TEST_CASE("a place where no zoo can be made is told before there is anything to write") {
  const TemporaryFolder folder;
  write_text(folder / "file", "mine");
  train_store_sample(folder / "zoo", Existing::refuse);
  const std::vector<std::string> before = folder.names();
  for (Existing existing : {Existing::refuse, Existing::resume, Existing::replace}) {
    const auto check = [&](const char* name) { ZooWriter::check_place(folder / name, existing); };
    CHECK(message_of<UsageError>([&] { check("file"); }).ends_with("is not a folder; choose another name"));
    CHECK(message_of<UsageError>([&] { check("zoo/inside/x"); }).find("lies in a zoo") != std::string::npos);
    CHECK(message_of<DiskError>([&] { check("file/x"); }).starts_with("[zoo] '" + (folder / "file/x").string() + "' "));
    CHECK(
        message_of<DiskError>([&] { ZooWriter::check_place("/proc/x/zoo", existing); }).starts_with("[zoo] '/proc/x"));
    CHECK_NOTHROW(check("deep/er/new"));
    CHECK_NOTHROW(check("new/"));
    if (existing != Existing::refuse) CHECK_NOTHROW(check("zoo"));
  }
  CHECK(message_of<UsageError>([&] {
          ZooWriter::check_place(folder / "zoo", Existing::refuse);
        }).ends_with("is there; replace it or choose another folder"));
  CHECK(folder.names() == before);
}

TEST_CASE("append refuses what does not fit, and the shard is not written") {
  Started s;
  const auto one = [](std::int64_t network, std::int64_t epoch) {
    return std::vector<ZooResult>{ZooResult{network, epoch, 0.5, 1}};
  };
  CHECK(s.error<UsageError>({}) == "[zoo] no result to append; allowed: one or more");
  CHECK(s.error<UsageError>(one(3, 1)) == "[zoo] network 3, epoch 1; allowed: networks 0 to 2, epochs 0 to 2147483647");
  CHECK(s.error<UsageError>(one(-1, 1)) ==
        "[zoo] network -1, epoch 1; allowed: networks 0 to 2, epochs 0 to 2147483647");
  CHECK(s.error<UsageError>(one(1, -1)) ==
        "[zoo] network 1, epoch -1; allowed: networks 0 to 2, epochs 0 to 2147483647");
  CHECK(s.error<UsageError>(one(1, std::int64_t{1} << 31)) ==
        "[zoo] network 1, epoch 2147483648; allowed: networks 0 to 2, epochs 0 to 2147483647");
  const auto shares = [](double accuracy, double train_accuracy) {
    return std::vector<ZooResult>{ZooResult{1, 1, accuracy, 1, false, train_accuracy}};
  };
  constexpr double nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
  for (double x : {-0.001, 1.001, 1e300, nan, infinity, -infinity}) {
    INFO(x);
    CHECK(s.error<UsageError>(shares(x, nan)) ==
          fmt::format("[zoo] network 1, epoch 1: accuracy {}; allowed: 0 to 1", x));
    if (x == x)
      CHECK(s.error<UsageError>(shares(0.5, x)) ==
            fmt::format("[zoo] network 1, epoch 1: train_accuracy {}; allowed: 0 to 1", x));
  }
  CHECK(s.error<UsageError>(one(0, 1)) == "[zoo] network 0, epoch 1 a second time; allowed: once");
  CHECK(s.error<ShapeError>(store_results(1, 2, 1, RandomKey(1, "x"))) ==
        "[zoo] weights 'W1' have shape [1, 6, 4, 3]; allowed: [2, 6, 4, 3], [results, taps, axes…]");
  s.weights[2].data<float>()[5] = std::numeric_limits<float>::infinity();
  CHECK(s.error<NumericError>(one(2, 7)) ==
        "[zoo] network 2, epoch 7: 'W2' is not finite; keep a diverged network's last finite weights");
  s.weights[2] = s.weights[2].to(DType::f64);
  CHECK(s.error<DtypeError>(one(2, 7)) == "[zoo] weights 'W2' are float64; allowed: float32");
  s.weights.pop_back();
  CHECK(s.error<ShapeError>(one(2, 7)) == "[zoo] 3 tensors of weights; the space has 4");
  CHECK(s.writer.rows() == 1);
  CHECK(files_in(s.folder / "zoo.part").size() == 2);
  CHECK(message_of<UsageError>([&] { s.writer.finish(); }) ==
        "[zoo] network 1 of 3 has no row; append a checkpoint of every network before finish()");
}

TEST_CASE("a description that contradicts itself is refused") {
  const TemporaryFolder folder;
  const auto error = [&](const ZooDescription& d) {
    return message_of<UsageError>([&] { ZooWriter(folder / "zoo", d); });
  };
  ZooDescription d = store_description(small_space(), 3, 1);
  d.networks = 4;
  CHECK(error(d) == "[zoo] hyper-parameter 'learning_rate': 3 values for 4 networks");
  d.networks = 0;
  CHECK(error(d) == "[zoo] 0 networks; allowed: 1 to 2147483647");
  d = store_description(small_space(), 3, 1);
  d.hyper_parameters[1].name = "loss";
  CHECK(error(d) == "[zoo] two columns of the table are named 'loss'");
  d = store_description(Space::parse("h: fixed(2) table.id[h]"), 3, 1);
  CHECK(error(d) == "[zoo] the space has a tensor 'table.id'; names that begin with 'table.' are the table's");
  d = store_description(Space(), 3, 1);
  CHECK(error(d) == "[zoo] the space has no tensor");
  d = store_description(small_space(), 3, 1);
  d.data_name = "\xff";
  CHECK(error(d) == "[zoo] the description holds text that is not UTF-8");
  CHECK(folder.names().empty());
}
