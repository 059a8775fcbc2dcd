#include <doctest/doctest.h>

#include "weft/core/error.h"
#include "weft/core/random.h"
#include "weft/io/tensor_file.h"
#include "weft/tests/archives.h"
#include "weft/tests/files.h"
#include "weft/tests/safetensors_attacks.h"

using namespace weft;
using namespace archives;
using namespace std::string_literals;

namespace {

std::string refusal(const std::string& bytes) {
  try {
    const auto file = TensorFile::parse(std::as_bytes(std::span(bytes)), "x");
    for (const auto& tensor : file.tensors())
      if (tensor.shape.numel() < 100'000) file.read(tensor.name, DType::f32);
  } catch (const FormatError& error) {
    return error.what();
  }
  return "accepted";
}

/// Seven tensors of one file of each format.
std::map<std::string, std::string> valid_files() {
  const auto fixture = [](const char* name) {
    return read_text(std::filesystem::path(WEFT_SOURCE_DIR) / "tests/fixtures/torch" / name);
  };
  return {{"safetensors", safetensors_file(one_entry(R"("dtype":"F16","shape":[20],"data_offsets":[0,40])"), 40)},
          {"torch", fixture("state.pth")},
          {"checkpoint", fixture("checkpoint.pt")},
          {"legacy", fixture("state_legacy.pth")},
          {"npz", fixture("arrays.npz")},
          {"npy", fixture("v1.npy")}};
}

}  // namespace

TEST_CASE("files of other kinds are refused by what they are") {
  const std::string rest(600, '\1');
  const std::pair<std::string, std::string> kinds[] = {
      {"", "an empty file"},
      {"\x89HDF\r\n\x1a\n" + rest, "an HDF5 file, as Keras writes. Python converts it: import h5py"},
      {"GGUF\3\0\0\0"s + rest, "a GGUF file, of llama.cpp. Python converts it: from transformers"},
      {"lmgg" + rest, "a GGML file"},
      {"\x08\x08\x12\x07pytorch\x1a\x05"
       "2.0.0" +
           rest,
       "an ONNX model. Python converts it: import onnx"},
      {"\x81\xa6params\x82\xa5"
       "Dense" +
           rest,
       "messagepack, as Flax writes. Python converts it: import flax"},
      {"\xde\0\x11\xa6params"s + rest, "messagepack, as Flax writes"},
      {zip({{"net/code/a.py", "x"}, {"net/data.pkl", "x"}}), "a TorchScript archive, which holds code"},
      {zip({{"config.json", "{}"}, {"model.weights.h5", "x"}}), "a Keras archive. Python converts it: import keras"},
      {zip({{"a.txt", "x"}}), "a zip archive without tensors, with the files 1: 'a.txt'"},
      {zip({}), "a zip archive without tensors, with the files none"},
      {"\x1f\x8b\x08" + rest, "a gzip file; unpack it by gunzip"},
      {"BZh9" + rest, "a bzip2 file"},
      {"\xfd"
       "7zXZ\0"s +
           rest,
       "an xz file"},
      {"\x28\xb5\x2f\xfd" + rest, "a zstd file"},
      {std::string(257, 'a') + "ustar" + rest, "a tar archive; unpack it"},
      {"\x89PNG\r\n\x1a\n" + rest, "a PNG image"},
      {"\xff\xd8\xff\xe0" + rest, "a JPEG image"},
      {"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
       "a git-lfs pointer in place of the file itself; `git lfs pull`"},
      {"<!DOCTYPE html><html>", "a web page (HTML), as a download gives that has failed"},
      {"\n <HTML><body>", "a web page (HTML)"},
      {"{\"a\": 1}", "a JSON text; allowed: safetensors"},
      {"a,b\n1,2\n", "a text, beginning with 'a,b"},
      {"\x80\4\x95\x02\0\0\0\0\0\0\0K\5."s, "a Python pickle, but none that torch.save wrote"},
      {"\x01\x02\x03\x04\x05\x06\x07" + rest,
       "beginning with '\\x01\\x02\\x03\\x04\\x05\\x06\\x07\\x01', of no format that weft knows"}};
  for (const auto& [bytes, expected] : kinds) {
    INFO(expected);
    const std::string found = refusal(bytes);
    CHECK((found.starts_with("[tensors] 'x': " + expected) || found.starts_with("[legacy torch] 'x': " + expected)));
    for (std::size_t length = 0; length < std::min<std::size_t>(bytes.size(), 40); ++length)
      CHECK(refusal(bytes.substr(0, length)) != "accepted");
  }
}

TEST_CASE("headers of safetensors that claim too much") {
  CHECK(refusal(length_only(~std::uint64_t{0}, 0) + "{}").find("the header has length 18446744073709551615") !=
        std::string::npos);
  CHECK(refusal(length_only(std::uint64_t{1} << 40, 0) + "{}").find("allowed: at most 100000000") != std::string::npos);
  CHECK(refusal(length_only(99'999'999, 0) + "{}").find("but only 2 bytes follow") != std::string::npos);
}

TEST_CASE("quantised checkpoints are refused by who made them") {
  const auto named = [](const std::string& first, const std::string& second) {
    return refusal(safetensors_file(R"({")" + first + R"(":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},")" +
                                        second + R"(":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
                                    2));
  };
  CHECK(named("l.qweight", "l.qzeros").find("quantised by GPTQ or AWQ (it has 'l.qweight')") != std::string::npos);
  CHECK(named("l.weight.absmax", "l.weight.quant_map").find("bitsandbytes in 4 bits") != std::string::npos);
  CHECK(named("l.SCB", "l.weight").find("bitsandbytes in 8 bits") != std::string::npos);
  CHECK(named("l.qweight", "m.qzeros") == "accepted");
}

TEST_CASE("a file that is cut off anywhere is refused, or read as what is left") {
  for (const auto& [format, bytes] : valid_files()) {
    INFO(format);
    REQUIRE(refusal(bytes) == "accepted");
    for (std::size_t sixteenth = 0; sixteenth < 16; ++sixteenth)
      CHECK(refusal(bytes.substr(0, bytes.size() * sixteenth / 16)) != "accepted");
    for (std::size_t length = 0; length < bytes.size(); length += 1 + bytes.size() / 600)
      CHECK(refusal(bytes.substr(0, length)) != "accepted");
  }
}

TEST_CASE("a damaged file is read or refused, and nothing worse") {
  for (const auto& [format, bytes] : valid_files()) {
    const RandomKey key(1, format.c_str());
    std::size_t refused = 0;
    for (std::uint64_t i = 0; i < 1500; ++i) {
      std::string damaged = bytes;
      for (std::uint64_t n = static_cast<std::uint64_t>(uniform_index(key.at("count"), i, 4)) + 1; n > 0; --n) {
        const auto at = static_cast<std::size_t>(uniform_index(key.at(i), 2 * n, damaged.size()));
        damaged[at] = static_cast<char>(uniform_index(key.at(i), 2 * n + 1, 256));
      }
      if (refusal(damaged) != "accepted") ++refused;
    }
    INFO(format);
    CHECK(refused > 100);
  }
}
