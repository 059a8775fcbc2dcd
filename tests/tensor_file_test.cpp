#include "weft/io/tensor_file.h"

#include <cmath>
#include <cstring>

#include <doctest/doctest.h>

#include "weft/core/error.h"
#include "weft/core/random.h"
#include "weft/tests/archives.h"
#include "weft/tests/files.h"
#include "weft/tests/safetensors_attacks.h"

using namespace weft;
using namespace std::string_literals;

namespace {

TensorFile parsed(const std::string& bytes) {
  const auto kept = std::make_shared<const std::string>(bytes);
  return TensorFile::parse(std::as_bytes(std::span(*kept)), "x", kept);
}

template <class F>
std::string refusal(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

std::vector<double> numbers(const TensorFile& file, const std::string& name) {
  const Tensor tensor = file.read(name, DType::f64);
  const auto span = tensor.span<double>();
  return {span.begin(), span.end()};
}

/// A file with one tensor of every type, of random bytes.
std::string every_type(RandomKey key) {
  std::string header = R"({"__metadata__":{"format":"pt","note":"ü"})", data;
  for (const NumberType type : number_types) {
    const std::size_t count = static_cast<std::size_t>(uniform_index(key.at("count").at(name(type)), 0, 7));
    const std::size_t bytes = count * size_of(type);
    header += fmt::format(R"(,"t.{}":{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})", name(type), name(type),
                          count, data.size(), data.size() + bytes);
    for (std::size_t i = 0; i < bytes; ++i) data += static_cast<char>(uniform_index(key.at(name(type)), i, 256));
  }
  header += "}";
  return safetensors_file(header, 0) + data;
}

std::string shard(const std::string& name, float value) {
  const NamedTensor tensors[] = {{name, Tensor::from<float>(std::span<const float>(&value, 1), {1})}};
  const auto bytes = safetensors_bytes(tensors, {{"format", "pt"}});
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

TEST_CASE("safetensors of every type are read, viewed where weft has the type, and written again") {
  const TemporaryFolder folder;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    INFO("seed " << seed);
    write_text(folder / "a", every_type(RandomKey(seed, "tensor_file_test")));
    const auto file = TensorFile::open(folder / "a");
    CHECK(file.format() == "safetensors");
    CHECK(file.metadata() == Metadata{{"format", "pt"}, {"note", "ü"}});
    REQUIRE(file.tensors().size() == std::size(number_types));
    std::map<std::string, Tensor> all;
    for (const FileTensor& tensor : file.tensors()) {
      const auto packed = file.packed(tensor.name);
      std::vector<double> expected(packed.size() / size_of(tensor.type));
      read_numbers(tensor.type, packed.data(), static_cast<std::ptrdiff_t>(size_of(tensor.type)), expected.size(),
                   expected.data());
      const Tensor read = file.read(tensor.name, DType::f64);
      CHECK((expected.empty() || std::memcmp(read.raw(), expected.data(), read.bytes()) == 0));
      if (const auto view = file.view(tensor.name)) {
        CHECK(number_type(view->dtype()) == tensor.type);
        CHECK((packed.empty() || std::memcmp(view->raw(), packed.data(), packed.size()) == 0));
      }
      if (is_float(tensor.type) || size_of(tensor.type) < 8) all[tensor.name] = read;
    }
    // Untouched, and with every number that float64 holds read and rounded back: the same bytes.
    save_tensor_file_like(folder / "b", file, {});
    save_tensor_file_like(folder / "c", file, all);
    const auto again = TensorFile::open(folder / "b");
    CHECK(again.metadata() == file.metadata());
    for (std::size_t i = 0; i < file.tensors().size(); ++i) {
      const std::string& name = file.tensors()[i].name;
      CHECK(again.tensors()[i].name == name);
      CHECK(again.packed(name) == file.packed(name));
      if (name != "t.BOOL") CHECK(TensorFile::open(folder / "c").packed(name) == file.packed(name));
    }
  }
}

TEST_CASE("new numbers are rounded to the type of the file, and what it cannot hold is refused") {
  const TemporaryFolder folder;
  write_text(folder / "a", safetensors_file(R"({"h":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},)"
                                            R"("n":{"dtype":"I64","shape":[1],"data_offsets":[4,12]}})",
                                            12));
  const auto file = TensorFile::open(folder / "a");
  const auto save = [&](const std::string& name, std::vector<double> values) {
    const Shape shape{static_cast<std::int64_t>(values.size())};
    return refusal([&] { save_tensor_file_like(folder / "b", file, {{name, Tensor::from<double>(values, shape)}}); });
  };
  CHECK(save("h", {0.1, -INFINITY}) == "accepted");
  CHECK(numbers(TensorFile::open(folder / "b"), "h") == std::vector<double>{0.0999755859375, -INFINITY});
  const std::string before = read_text(folder / "b");
  const std::string b = "'" + (folder / "b").string() + "'";
  CHECK(save("h", {1, 70000}) == "[write] " + b + ": number 1 of tensor 'h' is 70000, which F16 does not hold");
  CHECK(save("n", {NAN}) == "[write] " + b + ": number 0 of tensor 'n' is nan, which I64 does not hold");
  CHECK(save("h", {1}) == "[write] tensor 'h' is [1]; '" + (folder / "a").string() + "' has [2]");
  CHECK(save("w", {1}) == "[safetensors] '" + (folder / "a").string() + "': no tensor 'w'; the file has 2: 'h', 'n'");
  CHECK(refusal([&] {
          save_tensor_file_like(folder / "b", file, {{"n", Tensor::zeros({1}, DType::i32)}});
        }) == "[write] got int32; allowed: float32, float64");
  CHECK(read_text(folder / "b") == before);
  CHECK(folder.names() == std::vector<std::string>{"a", "b"});
  // A file may be replaced by what is made from it.
  CHECK(refusal([&] { save_tensor_file_like(folder / "a", file, {}); }) == "accepted");
}

TEST_CASE("weft's own reader still takes its own types alone; types of nobody are refused by both") {
  const std::string half = safetensors_file(one_entry(R"("dtype":"F16","shape":[4],"data_offsets":[0,8])"), 8);
  CHECK(refusal([&] { SafeTensors::parse(std::as_bytes(std::span(half)), "x"); }) ==
        "[safetensors] 'x': tensor 'x' has the dtype 'F16'; weft has float32, float64, int32 and uint8 (F32, F64, I32, "
        "U8)");
  CHECK(numbers(parsed(half), "x") == std::vector<double>(4, 0.0));
  for (const char* type : {"C64", "F4"})
    CHECK(refusal([&] {
            parsed(
                safetensors_file(one_entry(fmt::format(R"("dtype":"{}","shape":[1],"data_offsets":[0,8])", type)), 8));
          }) ==
          fmt::format(
              "[safetensors] 'x': tensor 'x' has the dtype '{}'; allowed: F64 to F8_E4M3 and F8_E5M2, I8 to I64, U8 "
              "to U64, BOOL",
              type));
}

TEST_CASE("reading asks for float32 or float64, and for a name that is there") {
  const auto file = parsed(shard("w", 2));
  CHECK(file.contains("w"));
  CHECK_FALSE(file.contains("v"));
  CHECK(refusal([&] { file.read("w", DType::i32); }) == "[read] got int32; allowed: float32, float64");
  CHECK(refusal([&] { file.view("v"); }) == "[safetensors] 'x': no tensor 'v'; the file has 1: 'w'");
}

TEST_CASE("a view keeps the file's memory") {
  const TemporaryFolder folder;
  write_text(folder / "a", shard("w", 2));
  const auto view = TensorFile::open(folder / "a").view("w");
  std::filesystem::remove(folder / "a");
  REQUIRE(view);
  CHECK(view->span<float>()[0] == 2);
}

TEST_CASE("what has to be unpacked is read and has no view") {
  using namespace archives;
  const std::string numbers(16, '\1'), w = tensor(storage("FloatStorage", "0", 4), 1, {2}, {1});
  const auto file = parsed(zip({{"n/data.pkl", pickled(dict({{"w", w}})), true}, {"n/data/0", numbers, true}}));
  CHECK_FALSE(file.view("w"));
  CHECK(file.read("w", DType::f32).numel() == 2);
}

TEST_CASE("sharded checkpoints and folders") {
  const TemporaryFolder folder;
  const auto index = [](const std::string& map) { return R"({"metadata":{"total_size":8},"weight_map":)" + map + "}"; };
  write_text(folder / "model-1.safetensors", shard("a", 1));
  write_text(folder / "model-2.safetensors", shard("b", 2));
  const auto path = folder / "model.safetensors.index.json";
  write_text(path, index(R"({"b":"model-2.safetensors","a":"model-1.safetensors"})"));
  for (const auto& from : {path, folder / ""}) {
    const auto file = TensorFile::open(from);
    CHECK(file.listing() == "2: 'a', 'b'");
    CHECK(numbers(file, "a") == std::vector<double>{1});
    CHECK(numbers(file, "b") == std::vector<double>{2});
    CHECK(file.tensor("a").storage != file.tensor("b").storage);
    CHECK(file.metadata() == Metadata{{"format", "pt"}});
  }
  save_tensor_file_like(folder / "model.safetensors", TensorFile::open(path), {});
  CHECK(TensorFile::open(folder / "").tensors().size() == 2);

  const auto refused = [&](const std::string& map) {
    write_text(path, map);
    return refusal([&] { TensorFile::open(path); });
  };
  const std::string who = "[shards] '" + path.string() + "': ";
  CHECK(refused(index(R"({"a":"../model-1.safetensors"})")) ==
        who + "tensor 'a' is said to lie in '../model-1.safetensors'; allowed: names of files in the same folder");
  for (const char* name : {"/etc/passwd", "..", ".", "", "a/b", "a\\\\b", "a\\u0000b"})
    CHECK(refused(index(fmt::format(R"({{"a":"{}"}})", name))).starts_with(who + "tensor 'a' is said to lie in "));
  CHECK(refused(index(R"({"c":"model-1.safetensors"})")) ==
        who + "tensor 'c' should lie in 'model-1.safetensors', which has no such tensor");
  write_text(folder / "model-1.safetensors", every_type(RandomKey(1, "shard")));
  CHECK(refused(index(R"({"t.F64":"model-1.safetensors"})")) ==
        who + "'model-1.safetensors' has tensor 't.F32', of which the index knows nothing");
  CHECK(refused(index("{}")) == who + "its \"weight_map\" names no tensor");
  CHECK(refused(index("3")).starts_with(who + "a JSON text without \"weight_map\""));
  CHECK(refused("{}").starts_with(who + "a JSON text without \"weight_map\""));
  CHECK(refused(index(R"({"a":3})")) == who + "the file of tensor 'a' is no text");
  CHECK(refused("{").starts_with(who + "it begins as JSON, but is none: "));
  CHECK(refused(index(R"({"a":"none"})")) == "[read] '" + (folder / "none").string() + "': No such file or directory");
  // An index of an index would read as many files as it likes.
  CHECK(refused(index(R"({"a":"model.safetensors.index.json"})")).find("a JSON text") != std::string::npos);

  const TemporaryFolder other;
  CHECK(refusal([&] { TensorFile::open(other / ""); }).find("a folder without model.safetensors, ") !=
        std::string::npos);
  write_text(other / "pytorch_model.bin",
             archives::torch_zip(
                 archives::dict({{"w", archives::tensor(archives::storage("FloatStorage", "0", 1), 0, {1}, {1})}}),
                 {{"0", archives::raw<float>({3})}}));
  CHECK(numbers(TensorFile::open(other / ""), "w") == std::vector<double>{3});
  write_text(other / "pytorch_model.bin.index.json", index(R"({"w":"pytorch_model.bin"})"));
  CHECK(numbers(TensorFile::open(other / "pytorch_model.bin.index.json"), "w") == std::vector<double>{3});
  // Of adapters and of diffusers' models, which stand behind whole models.
  const TemporaryFolder adapter;
  write_text(adapter / "adapter_model.bin", shard("old", 3));
  CHECK(TensorFile::open(adapter / "").listing() == "1: 'old'");
  write_text(adapter / "adapter_model.safetensors", shard("r", 4));
  CHECK(TensorFile::open(adapter / "").listing() == "1: 'r'");
  write_text(adapter / "diffusion_pytorch_model.safetensors", shard("u", 5));
  CHECK(TensorFile::open(adapter / "").listing() == "1: 'u'");
  write_text(adapter / "model.safetensors", shard("m", 6));
  CHECK(TensorFile::open(adapter / "").listing() == "1: 'm'");
}

TEST_CASE("strided tensors are read as numpy would") {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    INFO("seed " << seed);
    const RandomKey key(seed, "strides");
    std::vector<std::int64_t> sizes, strides;
    std::int64_t last = 0;
    for (std::uint64_t axis = 0, rank = static_cast<std::uint64_t>(uniform_index(key, 0, 5)); axis < rank; ++axis) {
      sizes.push_back(uniform_index(key.at("size"), axis, 5));
      strides.push_back(uniform_index(key.at("stride"), axis, 9));
      last += std::max<std::int64_t>(sizes.back() - 1, 0) * strides.back();
    }
    const std::int64_t offset = uniform_index(key, 1, 5);
    std::vector<std::int16_t> storage(static_cast<std::size_t>(offset + last + 1));
    for (std::size_t i = 0; i < storage.size(); ++i)
      storage[i] = static_cast<std::int16_t>(uniform_index(key.at("data"), i, 1000));
    const auto file = parsed(archives::torch_zip(
        archives::tensor(archives::storage("ShortStorage", "0", static_cast<std::int64_t>(storage.size())), offset,
                         sizes, strides),
        {{"0", archives::raw(storage)}}));
    std::vector<double> expected;
    const std::int64_t numel = Shape(sizes).numel();
    for (std::int64_t i = 0; i < numel; ++i) {
      std::int64_t rest = i, at = offset;
      for (std::size_t axis = sizes.size(); axis-- > 0; rest /= sizes[axis]) at += rest % sizes[axis] * strides[axis];
      expected.push_back(storage[static_cast<std::size_t>(at)]);
    }
    CHECK(numbers(file, "tensor") == expected);
    const auto packed = file.packed("tensor");
    for (std::size_t i = 0; i < expected.size(); ++i) {
      std::int16_t number;
      std::memcpy(&number, packed.data() + 2 * i, 2);
      CHECK(number == expected[i]);
    }
  }
}
