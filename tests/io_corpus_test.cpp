#include <doctest/doctest.h>

#include "weft/core/error.h"
#include "weft/io/csv.h"
#include "weft/io/gzip.h"
#include "weft/io/idx.h"
#include "weft/io/safetensors.h"
#include "weft/io/tensor_file.h"
#include "weft/tests/files.h"
#include "weft/tests/fuzz/read_architecture.h"

using namespace weft;

namespace {

/// Parses every file of a corpus; anything but success, FormatError or ParseError fails the test. The corpus must hold
/// both, or it would be blind.
template <class F>
void replay(const std::string& target, F&& parse) {
  int accepted = 0, refused = 0;
  for (const auto& path : files_in(std::filesystem::path(WEFT_SOURCE_DIR) / "tests/fuzz/corpus" / target)) {
    INFO(path);
    const std::string bytes = read_text(path);
    try {
      parse(std::as_bytes(std::span(bytes)));
      ++accepted;
    } catch (const FormatError&) {
      ++refused;
    } catch (const ParseError&) {
      ++refused;
    }
  }
  CHECK(accepted > 0);
  CHECK(refused > 0);
}

}  // namespace

TEST_CASE("the corpus of the safetensors fuzzer parses or is refused") {
  replay("safetensors", [](std::span<const std::byte> bytes) {
    const auto file = SafeTensors::parse(bytes, "corpus");
    for (const auto& name : file.names()) file.tensor(name).clone();
  });
}

TEST_CASE("the corpora of all fuzzers of tensors parse or are refused") {
  for (const char* target : {"safetensors", "torch", "npy"})
    replay(target, [](std::span<const std::byte> bytes) {
      const auto file = TensorFile::parse(bytes, "corpus");
      for (const auto& tensor : file.tensors()) file.read(tensor.name, DType::f32);
    });
}

TEST_CASE("the corpus of the IDX fuzzer parses or is refused") {
  replay("idx", [](std::span<const std::byte> bytes) { parse_idx(gunzip(bytes, "corpus", 1 << 20), "corpus"); });
}

TEST_CASE("the corpus of the CSV fuzzer parses or is refused") {
  replay("csv", [](std::span<const std::byte> bytes) {
    const Csv csv =
        Csv::parse({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, "corpus", Csv::Header::none);
    for (std::size_t r = 0; r < csv.rows(); ++r)
      for (std::size_t c = 0; c < csv.columns(); ++c) csv.text(r, c);
  });
}

TEST_CASE("the corpus of the fuzzer of architectures parses or is refused") {
  replay("architecture", [](std::span<const std::byte> bytes) {
    testing::read_architecture({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  });
}
