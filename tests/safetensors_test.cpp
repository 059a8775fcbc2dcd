#include "weft/io/safetensors.h"

#include <cstring>

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "weft/core/random.h"
#include "weft/tests/files.h"

using namespace weft;

namespace {

constexpr DType dtypes[] = {DType::f32, DType::f64, DType::i32, DType::u8};

/// Random bytes are fair values of every dtype: a file keeps bits, NaNs and all.
Tensor random_tensor(RandomKey key) {
  std::vector<std::int64_t> sizes;
  for (std::int64_t axis = 0, rank = uniform_index(key.at("rank"), 0, Shape::max_rank + 1); axis < rank; ++axis)
    sizes.push_back(uniform_index(key.at("size"), static_cast<std::uint64_t>(axis), rank > 4 ? 4 : 9));
  Tensor t = Tensor::zeros(Shape(sizes), dtypes[uniform_index(key.at("dtype"), 0, 4)]);
  auto* bytes = static_cast<unsigned char*>(t.raw());
  for (std::size_t i = 0; i < t.bytes(); ++i) bytes[i] = static_cast<unsigned char>(uniform_index(key, i, 256));
  return t;
}

std::string random_text(RandomKey key) {
  static const char* pieces[] = {"W1.phi2", "\"", "\\",     "\n", "\t",        "\x01", "/",
                                 "ü",       "Φ",  "\u2028", "𝒢",  "{\"a\":1}", "\x7f", " "};
  std::string text;
  for (std::uint64_t i = 0, n = static_cast<std::uint64_t>(uniform_index(key, 0, 6)); i < n; ++i)
    text += pieces[uniform_index(key, i + 1, std::size(pieces))];
  if (uniform_index(key, 100, 8) == 0) text += '\0';
  return text;
}

bool same(const Tensor& a, const Tensor& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() &&
         (a.bytes() == 0 || std::memcmp(a.raw(), b.raw(), a.bytes()) == 0);
}

std::string disk_error(const std::filesystem::path& path) {
  try {
    SafeTensors::open(path);
  } catch (const DiskError& error) {
    return error.what();
  }
  return "no error";
}

template <class F>
std::string usage_error(F&& f) {
  try {
    f();
  } catch (const UsageError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("random files come back as they were written, and every tensor is aligned") {
  const TemporaryFolder folder;
  const auto path = folder / "a.safetensors";
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    INFO("seed " << seed);
    const RandomKey key(seed, "safetensors_test");
    std::vector<NamedTensor> tensors;
    Metadata metadata;
    for (std::uint64_t i = 0, n = static_cast<std::uint64_t>(uniform_index(key.at("tensors"), 0, 8)); i < n; ++i) {
      tensors.push_back({std::to_string(i) + random_text(key.at("name").at(i)), random_tensor(key.at("tensor").at(i))});
      metadata[random_text(key.at("key").at(i))] = random_text(key.at("value").at(i));
    }
    save_safetensors(path, tensors, metadata);

    const auto file = SafeTensors::open(path);
    CHECK(file.metadata() == metadata);
    const auto names = file.names();
    REQUIRE(names.size() == tensors.size());
    for (std::size_t i = 0; i < names.size(); ++i) {
      CHECK(names[i] == tensors[i].name);
      CHECK(file.contains(names[i]));
      CHECK(file.dtype(names[i]) == tensors[i].tensor.dtype());
      CHECK(file.shape(names[i]) == tensors[i].tensor.shape());
      const Tensor read = file.tensor(names[i]);
      CHECK(same(read, tensors[i].tensor));
      CHECK(file.tensor(names[i]).raw() == read.raw());  // a view, not a copy
    }
    const std::string bytes = read_text(path);
    CHECK((bytes.size() -
           [&] {
             std::size_t data = 0;
             for (const auto& t : tensors) data += t.tensor.bytes();
             return data;
           }()) %
              64 ==
          0);
    const auto memory = safetensors_bytes(tensors, metadata);
    REQUIRE(memory.size() == bytes.size());
    CHECK(std::memcmp(memory.data(), bytes.data(), bytes.size()) == 0);
  }
  CHECK(folder.names() == std::vector<std::string>{"a.safetensors"});
}

TEST_CASE("the bytes of a small file are these") {
  const float values[] = {1, -2};
  const std::uint8_t byte[] = {7};
  const NamedTensor tensors[] = {{"b", Tensor::from<std::uint8_t>(byte, {})},
                                 {"W", Tensor::from<float>(values, {1, 2})}};
  const auto bytes = safetensors_bytes(tensors, {{"kind", "test"}});
  std::string header = R"({"__metadata__":{"kind":"test"},"b":{"dtype":"U8","shape":[],"data_offsets":[8,9]},)"
                       R"("W":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}})";
  header.resize(192 - 8, ' ');
  const std::string expected =
      std::string("\xb8\0\0\0\0\0\0\0", 8) + header + std::string("\0\0\x80\x3f\0\0\0\xc0", 8) + "\x07";
  CHECK(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()) == expected);
}

TEST_CASE("a view outlives the file object and the file's name") {
  const TemporaryFolder folder;
  const double values[] = {1, 2, 3};
  const NamedTensor tensors[] = {{"x", Tensor::from<double>(values, {3})}};
  save_safetensors(folder / "a", tensors);
  const Tensor view = SafeTensors::open(folder / "a").tensor("x");
  const NamedTensor others[] = {{"y", Tensor::zeros({100}, DType::f64)}};
  save_safetensors(folder / "a", others);  // replaces the name, not the mapped bytes
  CHECK(view.span<double>()[2] == 3);
  std::filesystem::remove(folder / "a");
  CHECK(view[2].data<double>()[0] == 3);
}

TEST_CASE("data that the file does not align is copied") {
  std::string header =
      R"({"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"x":{"dtype":"F64","shape":[1],"data_offsets":[1,9]}})";
  header.resize(120, ' ');
  const double value = 0.1;
  std::string bytes = std::string("\x78\0\0\0\0\0\0\0", 8) + header + "\x05" + std::string(sizeof value, '\0');
  std::memcpy(bytes.data() + bytes.size() - sizeof value, &value, sizeof value);
  const TemporaryFolder folder;
  write_text(folder / "a", bytes);
  const auto file = SafeTensors::open(folder / "a");
  const Tensor x = file.tensor("x");
  CHECK(x.data<double>()[0] == 0.1);
  CHECK(reinterpret_cast<std::uintptr_t>(x.raw()) % sizeof value == 0);
  CHECK(file.tensor("x").raw() != x.raw());
  CHECK(file.tensor("b").raw() == file.tensor("b").raw());
}

TEST_CASE("a file that cannot be read says why") {
  const TemporaryFolder folder;
  const auto quoted = [&](const std::string& name) { return "[read] '" + (folder / name).string() + "': "; };
  CHECK(disk_error(folder / "none") == quoted("none") + "No such file or directory");
  std::filesystem::create_directory(folder / "folder");
  CHECK(disk_error(folder / "folder") == quoted("folder") + "Is a directory");
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  CHECK(disk_error(folder / "pipe") == quoted("pipe") + "not a regular file");
  write_text(folder / "secret", "x");
  std::filesystem::permissions(folder / "secret", std::filesystem::perms::none);
  if (::geteuid() != 0) CHECK(disk_error(folder / "secret") == quoted("secret") + "Permission denied");
}

TEST_CASE("arguments that are refused") {
  const Tensor t = Tensor::zeros({1}, DType::f32);
  const auto save = [&](std::vector<NamedTensor> tensors, const Metadata& metadata = {}) {
    return usage_error([&] { safetensors_bytes(tensors, metadata); });
  };
  CHECK(save({{"", t}}) == "[safetensors] a tensor named ''; allowed: any other text");
  CHECK(save({{"__metadata__", t}}) == "[safetensors] a tensor named '__metadata__'; allowed: any other text");
  CHECK(save({{"a", t}, {"b", t}, {"a", t}}) == "[safetensors] two tensors are named 'a'");
  CHECK(save({{"a", Tensor()}}) == "[safetensors] tensor 'a' is undefined");
  CHECK(save({{"\xff", t}}) == "[safetensors] tensor name '\\xff' is not UTF-8");
  CHECK(save({{"a", t}}, {{"\xff", ""}}) == "[safetensors] metadata key '\\xff' is not UTF-8");
  CHECK(save({{"a", t}}, {{"k", "\xff"}}) == "[safetensors] metadata value '\\xff' is not UTF-8");
  CHECK(save({}, {{"k", std::string(100'000'000, ' ')}}) ==
        "[safetensors] a header of 100000056 bytes; allowed: at most 100000000: use fewer tensors or shorter metadata");

  std::vector<NamedTensor> many;
  for (int i = 0; i < 9; ++i) many.push_back({std::to_string(i), t});
  const auto nine = safetensors_bytes(many), two = safetensors_bytes(std::span(many).first(2));
  CHECK(usage_error([&] { SafeTensors::parse(nine, "file").tensor("x"); }) ==
        "[safetensors] 'file': no tensor 'x'; the file has 9: '0', '1', '2', '3', '4', '5', '6', '7', ...");
  CHECK(usage_error([&] { SafeTensors::parse(two, "file").shape("x"); }) ==
        "[safetensors] 'file': no tensor 'x'; the file has 2: '0', '1'");
  CHECK_FALSE(SafeTensors::parse(two, "file").contains("x"));
}

TEST_CASE("golden files are read, and come back when written again") {
  const DataFolder golden("WEFT_GOLDEN_DIR", "tests/golden/files");
  std::size_t files = 0;
  for (const auto& path : files_in(golden.path)) {
    if (path.extension() != ".safetensors") continue;
    INFO(path);
    ++files;
    const auto file = SafeTensors::open(path);
    CHECK(file.metadata().contains("kind"));
    CHECK(file.metadata().contains("config"));
    std::vector<NamedTensor> tensors;
    for (const auto& name : file.names()) tensors.push_back({name, file.tensor(name)});
    REQUIRE_FALSE(tensors.empty());
    const auto bytes = safetensors_bytes(tensors, file.metadata());
    const auto again = SafeTensors::parse(bytes, "again");
    CHECK(again.metadata() == file.metadata());
    for (const auto& [name, tensor] : tensors) CHECK(same(again.tensor(name), tensor));
  }
  CHECK(files > 0);
}
