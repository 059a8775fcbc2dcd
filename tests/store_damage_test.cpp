#include <array>

#include <doctest/doctest.h>

#include "weft/core/error.h"
#include "weft/core/numerics.h"
#include "weft/io/csv.h"
#include "weft/tests/disk.h"
#include "weft/tests/files.h"
#include "weft/tests/store_samples.h"

using namespace weft;
using namespace weft::testing;

// Each kind of damage to a zoo, and the message that it brings, word for word.

namespace {

/// Complete sample zoos, of classifiers and of two views of implicit networks, written once.
std::filesystem::path sample(std::int64_t views) {
  static const TemporaryFolder folder;
  const std::filesystem::path zoo = folder / std::to_string(views);
  if (!std::filesystem::exists(zoo)) train_store_sample(zoo, ZooWriter::Existing::refuse, views);
  return zoo;
}

/// A copy of it that is damaged, then opened.
class Damaged {
 public:
  explicit Damaged(std::int64_t views = 0) { std::filesystem::copy(sample(views), zoo); }

  /// Replaces the first `from` in a file, which must have it.
  Damaged& replace(const char* file, const std::string& from, const std::string& to) {
    std::string text = read_text(zoo / file);
    const auto at = text.find(from);
    REQUIRE(at != text.npos);
    write_text(zoo / file, text.replace(at, from.size(), to));
    return *this;
  }
  Damaged& remove(const char* file) {
    REQUIRE(std::filesystem::remove(zoo / file));
    return *this;
  }
  /// Writes a shard again after change(tensors, metadata).
  template <class F>
  Damaged& shard(const char* file, F&& change) {
    std::vector<NamedTensor> tensors;
    Metadata metadata;
    {
      const SafeTensors shard = SafeTensors::open(zoo / file);
      for (const std::string& name : shard.names()) tensors.push_back({name, shard.tensor(name).clone()});
      metadata = shard.metadata();
    }
    change(tensors, metadata);
    save_safetensors(zoo / file, tensors, metadata);
    return *this;
  }

  template <class E = FormatError>
  std::string error() const {
    return message_of<E>([&] { Zoo::open(zoo); });
  }
  std::string path(const char* file) const { return "'" + (zoo / file).string() + "'"; }
  std::string at(const char* file) const { return "[zoo] " + path(file) + ": "; }

  TemporaryFolder folder;
  std::filesystem::path zoo = folder / "zoo";
};

constexpr const char* json = "zoo.json";
constexpr const char* table = "table.csv";
constexpr const char* first_shard = "weights-00000.safetensors";
constexpr const char* originals = "images.safetensors";

NamedTensor& named(std::vector<NamedTensor>& tensors, const std::string& name) {
  for (NamedTensor& t : tensors)
    if (t.name == name) return t;
  FAIL(name);
  return tensors.front();
}

/// The message for zoo.json with `from` replaced by `to`.
void check_json(const std::string& from, const std::string& to, const std::string& message) {
  INFO(to);
  Damaged d;
  CHECK(d.replace(json, from, to).error() == d.at(json) + message);
}

void check_table(const std::string& from, const std::string& to, const std::string& message) {
  INFO(to);
  Damaged d;
  CHECK(d.replace(table, from, to).error() == d.at(table) + message);
}

template <class F>
void check_shard(const std::string& message, F&& change) {
  Damaged d;
  CHECK(d.shard(first_shard, change).error() == d.at(first_shard) + message);
}

}  // namespace

TEST_CASE("a zoo with a broken zoo.json") {
  check_json("\"schema\": 1", "\"schema\": 2",
             "schema 2; this weft reads 1: use the version that wrote it (weft test)");
  check_json("\"schema\"", "\"scheme\"", "the file has no 'schema'");
  check_json("\"seed\": 5", "\"seed\": -5", "'seed' of the file is -5; allowed: a non-negative integer");
  check_json("\"seed\": 5", "\"seed\": \"5\"", "'seed' of the file is \"5\"; allowed: a non-negative integer");
  check_json("\"relu\"", "[1]", "'activation' of the file is array; allowed: a string");
  check_json("\"networks\": 7", "\"networks\": 0", "0 networks; allowed: 1 to 2147483647");
  check_json(
      "W1[h", "W1[g",
      "'space': [space] line 1, column 57: expected a declared factor as axis of tensor 'W1', found 'g, in*; taps'");
  check_json("\"split_0\"", "\"split\"", "column 3 is 'split'; schema 1 has 'split_0' there");
  check_json("\"hash\"", "\"crc\"", "'data' has no 'hash'");
  Damaged cut;
  write_text(cut.zoo / json, read_text(cut.zoo / json).substr(0, 300));
  CHECK(cut.error().starts_with(cut.at(json) + "not JSON: "));
  Damaged number;
  write_text(number.zoo / json, "3");
  CHECK(number.error() == number.at(json) + "the file is no JSON object");
  Damaged missing;
  CHECK(missing.remove(json).error<DiskError>() == "[read] " + missing.path(json) + ": No such file or directory");
}

TEST_CASE("a zoo with a broken table") {
  check_table("train_accuracy", "test_accuracy", "column 11 is 'test_accuracy'; zoo.json has 'train_accuracy' there");
  check_table("\n3,0,2", "\n2,0,2", "line 5: id 2 a second time");
  check_table("\n3,0,2", "\n3,0,1", "line 5: epoch 1 of network 0 a second time");
  check_table("\n3,0,2", "\n3,7,2", "line 5: column 'network' has '7'; allowed: 0 to 6");
  check_table("\n3,0,2,train", "\n3,0,2,test", "line 5: column 'split_0' has 'test'; allowed: 'train'");
  check_table("\n0,0,1,train", "\n0,0,1,dev", "line 2: column 'split_0' has 'dev'; allowed: train, val, test");
  check_table(",0,0.0710", ",2,0.0710", "line 2: column 'diverged' has '2'; allowed: 0 to 1");
  check_table("0.07107058983454151,", "1.5,", "line 2: id 0 has accuracy 1.5; allowed: 0 to 1");
  check_table("0.07107058983454151,", "nan,", "line 2: id 0 has accuracy nan; allowed: 0 to 1");
  check_table("0.8837462947075093", "-0.1", "line 5: id 3 has train_accuracy -0.1; allowed: 0 to 1");
  check_table("nan,5,", "nan,6,", "line 2: column 'seed' has '6'; allowed: '5'");
  check_table("adam\n2", "sgd\n2", "line 6: column 'optimiser' has 'adam'; allowed: 'sgd'");
  Damaged field;
  CHECK(field.replace(table, "\n0,0,1,", "\n0,zero,1,").error() ==
        "[csv] " + field.path(table) + ", line 2: column 'network' has 'zero'; allowed: an integer of at most 64 bits");
  Damaged shorter;
  const std::string text = read_text(shorter.zoo / table);
  write_text(shorter.zoo / table, text.substr(0, text.find("\n12,6,") + 1));
  CHECK(shorter.error() == shorter.at(table) + "network 6 of 7 has no row");
  Damaged few;
  CHECK(few.replace(json, "\"networks\": 7", "\"networks\": 15").error() ==
        few.at(table) + "14 rows for 15 networks; allowed: one or more for each");
  Damaged hash;
  CHECK(hash.replace(json, "39e9b219e7d63d45", "0").error() ==
        hash.at(table) +
            "hyper-parameters with the hash 39e9b219e7d63d45; zoo.json was written with 0: the table was changed");
}

TEST_CASE("a zoo whose table does not belong to its shards") {
  Damaged d;
  CHECK(d.replace(table, "0.0710705", "0.0810705").error() ==
        d.at(table) + "row 0 (id 0) has another accuracy than row 0 of " + d.path(first_shard) +
            ": the table does not belong to the shards");
}

TEST_CASE("a zoo with a broken shard") {
  check_shard("no tensor 'b1'", [](auto& tensors, auto&) { named(tensors, "b1").name = "b3"; });
  check_shard("tensor 'b3' is not in the space of zoo.json", [](auto& tensors, auto&) {
    tensors.push_back({"b3", Tensor::zeros({1}, DType::f32)});
  });
  check_shard("tensor 'W2' is float64; allowed: float32", [](auto& tensors, auto&) {
    Tensor& t = named(tensors, "W2").tensor;
    t = t.to(DType::f64);
  });
  check_shard("tensor 'W2' has shape [3, 1, 4, 2]; allowed: [3, 1, 2, 4]", [](auto& tensors, auto&) {
    Tensor& t = named(tensors, "W2").tensor;
    t = t.reshape({3, 1, 4, 2});
  });
  check_shard("tensor 'table.loss' has shape [2]; allowed: [3]",
              [](auto& tensors, auto&) { named(tensors, "table.loss").tensor = Tensor::zeros({2}, DType::f64); });
  check_shard("row 1 (id 1) has accuracy inf; allowed: 0 to 1", [](auto& tensors, auto&) {
    named(tensors, "table.accuracy").tensor.template data<double>()[1] = std::numeric_limits<double>::infinity();
  });
  check_shard(
      "row 2 is id 2, network 7, epoch 1; allowed: networks 0 to 6, no negative number",
      [](auto& tensors, auto&) { named(tensors, "table.network").tensor.template data<std::int32_t>()[2] = 7; });
  check_shard("no tensor 'table.id': not a shard of a zoo",
              [](auto& tensors, auto&) { named(tensors, "table.id").name = "ids"; });
  check_shard("tensor 'table.id' has shape [3, 1]; allowed: [rows]", [](auto& tensors, auto&) {
    Tensor& t = named(tensors, "table.id").tensor;
    t = t.reshape({3, 1});
  });
  check_shard("'weft.schema' is '2'; allowed: '1', as in zoo.json",
              [](auto&, auto& metadata) { metadata["weft.schema"] = "2"; });
  check_shard("no 'weft.schema' in its metadata: not a shard of a zoo",
              [](auto&, auto& metadata) { metadata.clear(); });
  check_shard("'weft.space' is 'h: fixed(1) b[h]'; allowed: '" + small_space().str() + "', as in zoo.json",
              [](auto&, auto& metadata) { metadata["weft.space"] = "h: fixed(1) b[h]"; });

  Damaged nan;
  nan.shard("weights-00001.safetensors", [](auto& tensors, auto&) {
    named(tensors, "W1").tensor.template data<float>()[2 * 72 + 3] = std::numeric_limits<float>::quiet_NaN();
  });
  CHECK(message_of<NumericError>([&] { Zoo::open(nan.zoo).check(); }) ==
        nan.at("weights-00001.safetensors") + "'W1' of id 5 is not finite");
  CHECK(nan.error() == "no error");  // opening reads no weights

  Damaged cut;
  write_text(cut.zoo / first_shard, read_text(cut.zoo / first_shard).substr(0, 1500));
  CHECK(cut.error().starts_with("[safetensors] " + cut.path(first_shard) + ": "));
}

TEST_CASE("a zoo with a missing or a foreign shard") {
  Damaged d;
  d.remove("weights-00005.safetensors");
  CHECK(d.error<DiskError>() ==
        d.at("weights-00005.safetensors") + "missing; " + d.path(table) + " has 14 rows, the shards before it 13");
  std::filesystem::copy_file(d.zoo / "weights-00003.safetensors", d.zoo / "weights-00005.safetensors");
  CHECK(d.error() == d.at(table) + "row 13 (id 13) has another id than row 0 of " +
                         d.path("weights-00005.safetensors") + ": the table does not belong to the shards");
  Damaged more;
  std::filesystem::copy_file(more.zoo / "weights-00005.safetensors", more.zoo / "weights-00006.safetensors");
  CHECK(more.error() == more.at("weights-00006.safetensors") + "row 0 is beyond the 14 rows of " + more.path(table));
}

TEST_CASE("a zoo of implicit networks with broken images") {
  const auto check = [](const std::string& message, auto&& change) {
    Damaged d(2);
    CHECK(d.shard(originals, change).error() == d.at(originals) + message);
  };
  const auto other = [](Tensor images) { return [images](auto& tensors, auto&) { tensors[0].tensor = images; }; };
  check("tensor 'images' has shape [3, 1, 3, 5]; allowed: [4, channels, rows, columns], as in zoo.json",
        other(Tensor::zeros({3, 1, 3, 5}, DType::u8)));
  check("tensor 'images' has shape [8, 1, 3, 5]; allowed: [4, channels, rows, columns], as in zoo.json",
        other(Tensor::zeros({8, 1, 3, 5}, DType::u8)));
  check("tensor 'images' has shape [4, 3, 5]; allowed: [4, channels, rows, columns], as in zoo.json",
        other(Tensor::zeros({4, 3, 5}, DType::u8)));
  check("tensor 'images' has shape [4, 1, 0, 5]; allowed: [4, channels, rows, columns], as in zoo.json",
        other(Tensor::zeros({4, 1, 0, 5}, DType::u8)));
  check("tensor 'images' is float32; allowed: uint8", other(Tensor::zeros({4, 1, 3, 5}, DType::f32)));
  check("tensors 1: 'pictures'; allowed: 'images' alone", [](auto& tensors, auto&) { tensors[0].name = "pictures"; });
  check("tensors 2: 'images', 'more'; allowed: 'images' alone", [](auto& tensors, auto&) {
    tensors.push_back({"more", Tensor::zeros({1}, DType::u8)});
  });
  Damaged missing(2);
  CHECK(missing.remove(originals).error<ReadError>() ==
        "[read] " + missing.path(originals) + ": No such file or directory");
  Damaged cut(2);
  write_text(cut.zoo / originals, read_text(cut.zoo / originals).substr(0, 100));
  CHECK(cut.error().starts_with("[safetensors] " + cut.path(originals) + ": "));
}

TEST_CASE("a zoo of implicit networks with a broken zoo.json, table or shard") {
  for (const char* views : {"0", "3", "9", "18446744073709551615"}) {
    Damaged d(2);
    const std::string shown = views[1] ? "2147483648" : views;
    CHECK(d.replace(json, "\"views\": 2", std::string("\"views\": ") + views).error() ==
          d.at(json) + shown + " views of 8 networks; allowed: numbers that divide the networks");
  }
  Damaged negative(2);
  CHECK(negative.replace(json, "\"views\": 2", "\"views\": -2").error() ==
        negative.at(json) + "'views' of the file is -2; allowed: a non-negative integer");
  Damaged none(2);
  CHECK(none.replace(json, "\"views\"", "\"view\"").error() ==
        none.at(json) + "column 9 is 'psnr'; schema 1 has 'accuracy' there");
  Damaged classifiers;
  CHECK(classifiers.replace(json, "\n}", ",\n  \"views\": 1\n}").error() ==
        classifiers.at(json) + "column 9 is 'accuracy'; schema 1 has 'psnr' there");
  // An image's views share its splits: other images would be shared with them.
  Damaged views(2);
  CHECK(views.replace(json, "\"views\": 2", "\"views\": 4").error().starts_with(views.at(table) + "line "));

  const std::string psnr = number_text(Zoo::open(sample(2)).row(1).psnr);
  for (const char* wrong : {"nan", "inf", "-inf"}) {
    Damaged d(2);
    CHECK(d.replace(table, "," + psnr + ",", fmt::format(",{},", wrong)).error() ==
          d.at(table) + "line 3: id 1 has psnr " + wrong + "; allowed: finite numbers");
  }
  Damaged other(2);
  CHECK(other.replace(table, "," + psnr + ",", ",20,").error() ==
        other.at(table) + "row 1 (id 1) has another psnr than row 1 of " + other.path(first_shard) +
            ": the table does not belong to the shards");
  Damaged shard(2);
  shard.shard(first_shard, [](auto& tensors, auto&) {
    named(tensors, "table.psnr").tensor.template data<double>()[1] = std::numeric_limits<double>::infinity();
  });
  CHECK(shard.error() == shard.at(first_shard) + "row 1 (id 1) has psnr inf; allowed: finite numbers");
  Damaged accuracy(2);
  accuracy.shard(first_shard, [](auto& tensors, auto&) { named(tensors, "table.psnr").name = "table.accuracy"; });
  CHECK(accuracy.error() == accuracy.at(first_shard) + "no tensor 'table.psnr'");
}

TEST_CASE("any few bytes changed, in any file: the zoo opens or says what is wrong") {
  int refused = 0;
  for (std::uint64_t n = 0; n < 400; ++n) {
    INFO(n);
    const RandomKey key = RandomKey(n, "store_damage");
    const Damaged d(n % 2 ? 2 : 0);
    const auto files = files_in(d.zoo);
    const auto& file = files[static_cast<std::size_t>(uniform_index(key, 0, static_cast<std::int64_t>(files.size())))];
    std::string text = read_text(file);
    const auto place = [&](std::uint64_t i) {
      return static_cast<std::size_t>(uniform_index(key, i, static_cast<std::int64_t>(text.size())));
    };
    if (n % 5 == 0)
      text.resize(place(1));
    else
      for (std::uint64_t i = 0; i < 1 + n % 3; ++i)
        text[place(2 + 2 * i)] = static_cast<char>(uniform_index(key, 3 + 2 * i, 256));
    write_text(file, text);
    try {
      const Zoo zoo = Zoo::open(d.zoo);
      for (const ZooRow& row : zoo.rows()) zoo.weights(std::array{row.id});
    } catch (const Error& error) {
      CHECK(std::string(error.what()).find(file.filename().string()) != std::string::npos);
      ++refused;
    }
  }
  CHECK(refused > 200);
}

TEST_CASE("an unfinished zoo whose state does not fit is not resumed") {
  TemporaryFolder folder;
  const auto part = folder / "zoo.part";
  const auto open = [&] {
    ZooWriter(folder / "zoo", store_description(small_space(), 3, 1), ZooWriter::Existing::resume);
  };
  {
    ZooWriter writer(folder / "zoo", store_description(small_space(), 3, 1));
    writer.append(store_results(0, 2, 1, RandomKey(1, "x")), store_weights(small_space(), 2, RandomKey(1, "x")));
    writer.save_state({}, {{"note", "kept"}});
    CHECK(writer.state()->metadata().at("note") == "kept");
  }
  const std::string state = "[zoo] '" + (part / "state.safetensors").string() + "': ";
  std::string version = std::to_string(numerics_version);
  const auto set_rows = [&](const char* rows) {
    save_safetensors(part / "state.safetensors", {}, {{"weft.rows", rows}, {"weft.numerics", version}});
  };
  CHECK_NOTHROW(open());
  set_rows("2x");
  CHECK(message_of<FormatError>(open) == state + "'weft.rows' is '2x'; allowed: the number of rows: replace the zoo");
  set_rows("1");
  CHECK(message_of<FormatError>(open) == state + "counts 1 rows, the shards before it hold 2: replace the zoo");
  set_rows("3");
  CHECK(message_of<FormatError>(open) == state + "counts 3 rows, but '" +
                                             (part / "weights-00001.safetensors").string() +
                                             "' is missing: replace the zoo");
  for (const std::string& other : {std::string("1"), version + "x", std::string(), std::string("99999999999")}) {
    version = other;
    set_rows("2");
    CHECK(message_of<UsageError>(open).starts_with("[zoo] '" + part.string() + "' was begun with version "));
  }
  save_safetensors(part / "state.safetensors", {}, {{"weft.rows", "2"}});  // release 0.1 names no version
  CHECK(
      message_of<UsageError>(open) ==
      fmt::format("[zoo] '{}' was begun with version 1 of the numerics (weft 0.1); this weft computes with version {}, "
                  "and its numbers would not fit those there: finish it with the weft that began it, or start anew",
                  part.string(), numerics_version));
  version = std::to_string(numerics_version);
  set_rows("2");
  CHECK_NOTHROW(open());
}

TEST_CASE("an unfinished zoo whose shards do not count on is not resumed") {
  for (const char* name : {"table.id", "table.network", "table.epoch"})
    for (const std::int32_t value : {-1, 7, 1 << 30}) {
      TemporaryFolder folder;
      {
        ZooWriter writer(folder / "zoo", store_description(small_space(), 3, 1));
        writer.append(store_results(0, 2, 1, RandomKey(1, "x")), store_weights(small_space(), 2, RandomKey(1, "x")));
        writer.save_state({});
      }
      const auto shard = folder / "zoo.part" / first_shard;
      std::vector<NamedTensor> tensors;
      Metadata metadata;
      {
        const SafeTensors file = SafeTensors::open(shard);
        for (const std::string& n : file.names()) tensors.push_back({n, file.tensor(n).clone()});
        metadata = file.metadata();
      }
      named(tensors, name).tensor.data<std::int32_t>()[1] = value;
      save_safetensors(shard, tensors, metadata);
      INFO(name << " " << value);
      if (name == std::string("table.epoch") && value > 0) continue;  // any epoch is one
      CHECK_THROWS_AS(ZooWriter(folder / "zoo", store_description(small_space(), 3, 1), ZooWriter::Existing::resume),
                      const FormatError&);
    }
}
