#include "weft/io/cifar.h"

#include <doctest/doctest.h>

#include "weft/core/random.h"
#include "weft/data/dataset.h"
#include "weft/data/glyphs.h"
#include "weft/tests/disk.h"
#include "weft/tests/files.h"

using namespace weft;

namespace {

constexpr std::size_t record_bytes = 3073;

std::string batch(std::size_t items, RandomKey key) {
  std::string bytes;
  for (std::size_t i = 0; i < items; ++i) {
    bytes += static_cast<char>(uniform_index(key.at("label"), i, 10));
    for (std::size_t k = 0; k < record_bytes - 1; ++k) bytes += static_cast<char>(uniform_index(key.at(i), k, 256));
  }
  return bytes;
}

std::string error(const std::string& bytes) {
  return message_of<FormatError>([&] { parse_cifar10(std::as_bytes(std::span(bytes)), "file"); });
}

std::uint8_t byte_at(const std::string& bytes, std::size_t i) { return static_cast<std::uint8_t>(bytes[i]); }

}  // namespace

TEST_CASE("CIFAR-10: labels and pixels, plain and gzip") {
  const TemporaryFolder folder;
  const std::string bytes = batch(3, RandomKey(1, "cifar_test"));
  write_text(folder / "plain", bytes);
  write_text(folder / "gz", compress(bytes));
  for (const char* name : {"plain", "gz"}) {
    const Cifar10 data = read_cifar10(folder / name);
    CHECK(data.images.shape() == Shape{3, 3, 32, 32});
    CHECK(data.labels.shape() == Shape{3});
    bool same = true;
    for (std::size_t i = 0; i < 3; ++i) {
      CHECK(data.labels.span<std::uint8_t>()[i] == byte_at(bytes, i * record_bytes));
      for (std::size_t k = 0; k < record_bytes - 1; ++k)
        same = same &&
               data.images.span<std::uint8_t>()[i * (record_bytes - 1) + k] == byte_at(bytes, i * record_bytes + 1 + k);
    }
    CHECK(same);
  }
}

TEST_CASE("CIFAR-10: every rule has its own message, word for word") {
  const std::string whole = batch(2, RandomKey(2, "cifar_test"));
  const std::string sizes =
      " bytes; allowed: one or more records of 3073 bytes (1 label, 3072 pixels): the file is truncated or no batch of "
      "CIFAR-10's binary version";
  CHECK(error("") == "[cifar10] 'file': 0" + sizes);
  for (std::size_t length : {std::size_t{1}, record_bytes - 1, record_bytes + 1, 2 * record_bytes - 1})
    CHECK(error(whole.substr(0, length)) == "[cifar10] 'file': " + std::to_string(length) + sizes);
  std::string label = whole;
  label[record_bytes] = 10;
  CHECK(error(label) == "[cifar10] 'file': label 10 of record 1; allowed: 0 to 9");
  label[record_bytes] = static_cast<char>(255);
  CHECK(error(label) == "[cifar10] 'file': label 255 of record 1; allowed: 0 to 9");

  const TemporaryFolder folder;
  const std::string path = (folder / "cut.gz").string(), packed = compress(whole);
  write_text(path, packed.substr(0, packed.size() / 2));
  CHECK(message_of<FormatError>([&] {
          read_cifar10(path);
        }).starts_with("[gzip] '" + path + "': the compressed data is truncated after "));
}

TEST_CASE("CIFAR-10 as a data set: batches one after the other, scaled; grey is the mean of the channels") {
  const TemporaryFolder folder;
  const std::string first = batch(2, RandomKey(3, "cifar_test")), second = batch(1, RandomKey(4, "cifar_test"));
  write_text(folder / "data_batch_1.bin", first);
  write_text(folder / "data_batch_2.bin.gz", compress(second));
  const std::string where = (folder / "").string(), all = first + second;
  const Dataset data = load_cifar10(where, {"data_batch_1", "data_batch_2"});
  CHECK(data.images.shape() == Shape{3, 3, 32, 32});
  CHECK(data.channels() == 3);
  const Dataset mean = grey(data);
  CHECK(mean.images.shape() == Shape{3, 1, 32, 32});
  for (std::size_t n = 0; n < 3; ++n) {
    CHECK(data.labels.span<std::int32_t>()[n] == byte_at(all, n * record_bytes));
    for (std::size_t i = 0; i < 1024; i += 37) {
      double sum = 0;
      for (std::size_t c = 0; c < 3; ++c) {
        const double pixel = byte_at(all, n * record_bytes + 1 + c * 1024 + i) / 127.5 - 1;
        CHECK(data.images.span<float>()[(n * 3 + c) * 1024 + i] == doctest::Approx(pixel).epsilon(1e-6));
        sum += pixel;
      }
      CHECK(mean.images.span<float>()[n * 1024 + i] == doctest::Approx(sum / 3).epsilon(1e-5));
    }
  }
  CHECK(averaged(data, 32).images.shape() == Shape{3, 3, 1, 1});
  CHECK(content_hash(data) == content_hash(load_cifar10(where, {"data_batch_1", "data_batch_2"})));
  CHECK(content_hash(data) != content_hash(load_cifar10(where, {"data_batch_2", "data_batch_1"})));
  CHECK(content_hash(data) != content_hash(mean));

  CHECK(message_of<UsageError>([&] { load_cifar10(where, {}); }) ==
        "[cifar10] no batch named; allowed: one or more of data_batch_1 … data_batch_5, test_batch");
  CHECK(message_of<DiskError>([&] {
          load_cifar10(where, {"test_batch"});
        }).ends_with("test_batch.bin.gz': No such file or directory"));
}

TEST_CASE("averaged: each channel by itself, and the content hash sees one pixel") {
  const Dataset glyphs = draw_glyphs(5, RandomKey(5, "cifar_test"));
  CHECK(glyphs.images.shape() == Shape{5, 1, 28, 28});
  Dataset colour{"two", Tensor::zeros({2, 2, 28, 28}, DType::f32), Tensor::zeros({2}, DType::i32), 10};
  std::copy_n(glyphs.images.data<float>(), colour.images.numel(), colour.images.data<float>());
  const Dataset small = averaged(glyphs, 4), both = averaged(colour, 4);
  CHECK(both.images.shape() == Shape{2, 2, 7, 7});
  CHECK(std::equal(both.images.span<float>().begin(), both.images.span<float>().end(), small.images.data<float>()));
  double sum = 0;
  for (int r = 0; r < 4; ++r)
    for (int c = 0; c < 4; ++c) sum += glyphs.images.span<float>()[static_cast<std::size_t>(r * 28 + 4 + c)];
  CHECK(small.images.span<float>()[1] == doctest::Approx(sum / 16).epsilon(1e-5));
  CHECK(message_of<ShapeError>([&] { averaged(glyphs, 3); }) ==
        "[averaged] factor 3 on images of 28x28; it must divide both");
  const std::string hash = content_hash(glyphs);
  CHECK(hash.size() == 16);
  glyphs.images.data<float>()[100] += 1e-6f;
  CHECK(content_hash(glyphs) != hash);
}

TEST_CASE("CIFAR-10 is read") {
  const DataFolder cifar("WEFT_CIFAR10_DIR", "../shared/data/cifar10");
  if (!cifar.asked_for && files_in(cifar.path).empty()) {
    MESSAGE("skipped: no CIFAR-10 in " << cifar.path.string());
    return;
  }
  const Dataset data = load_cifar10(cifar.path.string(), {"data_batch_1"});
  CHECK(data.images.shape() == Shape{10000, 3, 32, 32});
  std::vector<int> counts(10);
  for (auto label : data.labels.span<std::int32_t>()) ++counts.at(static_cast<std::size_t>(label));
  for (int count : counts) CHECK(std::abs(count - 1000) < 100);
  double low = 1, high = -1;
  for (float pixel : data.images.span<float>()) {
    low = std::min<double>(low, pixel);
    high = std::max<double>(high, pixel);
  }
  CHECK(low == -1);
  CHECK(high == 1);
}
