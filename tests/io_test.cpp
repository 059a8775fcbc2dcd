#include <thread>

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "weft/core/random.h"
#include "weft/io/atomic_file.h"
#include "weft/io/gzip.h"
#include "weft/io/idx.h"
#include "weft/tests/disk.h"
#include "weft/tests/files.h"

using namespace weft;

namespace {

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }
std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void write_atomically(const std::filesystem::path& path, const std::string& text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

std::string random_text(RandomKey key, std::size_t size, int letters) {
  std::string text;
  for (std::size_t i = 0; i < size; ++i) text += static_cast<char>('a' + uniform_index(key, i, letters));
  return text;
}

std::string gunzip_error(const std::string& bytes, std::size_t limit = default_read_limit) {
  return message_of<FormatError>([&] { gunzip(bytes_of(bytes), "file", limit); });
}

std::string idx_file(int type, const std::vector<std::uint32_t>& sizes, std::size_t values) {
  std::string bytes{'\0', '\0', static_cast<char>(type), static_cast<char>(sizes.size())};
  for (auto size : sizes)
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(size >> shift & 0xff);
  for (std::size_t i = 0; i < values; ++i) bytes += static_cast<char>(i);
  return bytes;
}

std::string idx_error(const std::string& bytes) {
  return message_of<FormatError>([&] { parse_idx(bytes_of(bytes), "file"); });
}

}  // namespace

TEST_CASE("an atomic file appears at commit, replaces the old one, and leaves nothing else") {
  const TemporaryFolder folder;
  const auto path = folder / "a";
  write_atomically(path, "old");
  {
    AtomicFile file(path);
    file.write("new, ");
    file.write("in two parts");
    CHECK(read_text(path) == "old");
    CHECK(folder.names().size() == 2);
    file.commit();
  }
  CHECK(read_text(path) == "new, in two parts");
  { AtomicFile(path).write("dropped"); }
  CHECK(read_text(path) == "new, in two parts");
  CHECK(folder.names() == std::vector<std::string>{"a"});
}

TEST_CASE("a file that is replaced keeps its permissions; a new one has the usual ones") {
  const TemporaryFolder folder;
  const auto mode_of = [](const std::filesystem::path& path) {
    return static_cast<unsigned>(std::filesystem::status(path).permissions());
  };
  const mode_t mask = ::umask(022);
  for (const unsigned mode : {0600u, 0640u, 0444u, 0755u}) {
    write_atomically(folder / "a", "old");
    std::filesystem::permissions(folder / "a", static_cast<std::filesystem::perms>(mode));
    write_atomically(folder / "a", "new");
    CHECK(mode_of(folder / "a") == mode);
    CHECK(read_text(folder / "a") == "new");
  }
  write_atomically(folder / "b", "new");
  CHECK(mode_of(folder / "b") == 0644u);
  ::umask(mask);
}

TEST_CASE("what is no regular file is not replaced by one") {
  const TemporaryFolder folder;
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  std::filesystem::create_directory(folder / "folder");
  std::filesystem::create_symlink("/dev/null", folder / "null");
  std::filesystem::create_symlink(folder / "pipe", folder / "link");
  const auto before = folder.names();
  const std::pair<std::filesystem::path, const char*> cases[] = {{folder / "pipe", "a pipe"},
                                                                 {folder / "folder", "a folder"},
                                                                 {folder / "null", "a device"},
                                                                 {folder / "link", "a pipe"},
                                                                 {"/dev/null", "a device"}};
  for (const auto& entry : cases) {
    const auto& [path, what] = entry;
    CAPTURE(entry.first.string());
    const std::string message = message_of<DiskError>([&, at = path] { write_atomically(at, "lost"); });
    CHECK(message.find(path.string()) != std::string::npos);
    CHECK(message.find(what) != std::string::npos);
    CHECK(!std::filesystem::is_regular_file(path));
  }
  CHECK(folder.names() == before);
  // A link to a regular file is replaced, as is one to nothing.
  write_atomically(folder / "file", "old");
  std::filesystem::create_symlink(folder / "file", folder / "to-file");
  std::filesystem::create_symlink(folder / "nothing", folder / "to-nothing");
  for (const char* name : {"to-file", "to-nothing"}) {
    write_atomically(folder / name, "new");
    CHECK(!std::filesystem::is_symlink(folder / name));
  }
  CHECK(read_text(folder / "file") == "old");
}

TEST_CASE("a failed write keeps the old file, removes the temporary one and says what failed") {
  const TemporaryFolder folder;
  const auto path = folder / "a";
  write_atomically(path, "old");
  const std::string large(1 << 20, 'x');
  std::string message;
  {
    const FileSizeLimit limit(100'000);
    message = message_of<DiskError>([&] { write_atomically(path, large); });
  }
  CHECK(message == "[write] '" + path.string() + "': cannot write: File too large");
  CHECK(read_text(path) == "old");
  CHECK(folder.names() == std::vector<std::string>{"a"});
  write_atomically(path, large);
  CHECK(read_text(path) == large);

  const auto nowhere = folder / "none/a";
  CHECK(message_of<DiskError>([&] { write_atomically(nowhere, ""); }) ==
        "[write] '" + nowhere.string() + "': cannot create a file in its folder: No such file or directory");
  std::filesystem::create_directory(folder / "folder");
  CHECK(message_of<DiskError>([&] { write_atomically(folder / "folder", ""); }) ==
        "[write] '" + (folder / "folder").string() +
            "' is a folder, no file that could be replaced; choose another name");
  CHECK(folder.names() == std::vector<std::string>{"a", "folder"});
  if (::geteuid() != 0) {
    std::filesystem::permissions(folder / "folder", std::filesystem::perms::owner_read);
    CHECK(message_of<DiskError>([&] { write_atomically(folder / "folder/a", ""); }) ==
          "[write] '" + (folder / "folder/a").string() + "': cannot create a file in its folder: Permission denied");
  }
}

TEST_CASE("of several writers one wins, whole") {
  const TemporaryFolder folder;
  const auto path = folder / "a";
  std::vector<std::thread> writers;
  for (char letter : {'a', 'b', 'c', 'd'})
    writers.emplace_back([&path, letter] {
      for (int i = 0; i < 5; ++i) write_atomically(path, std::string(50'000, letter));
    });
  for (auto& writer : writers) writer.join();
  const std::string text = read_text(path);
  CHECK(text == std::string(50'000, text.at(0)));
  CHECK(folder.names() == std::vector<std::string>{"a"});
}

TEST_CASE("files are read whole, gzip or not") {
  const TemporaryFolder folder;
  for (std::size_t size : std::initializer_list<std::size_t>{0, 1, 2, 1000, 65535, 65536, 65537, 400'000}) {
    INFO(size);
    const std::string text = random_text(RandomKey(size, "io_test"), size, 4);
    write_text(folder / "plain", text);
    write_text(folder / "gz", compress(text));
    CHECK(text_of(read_file(folder / "plain", size)) == text);
    CHECK(text_of(read_file(folder / "gz", size)) == text);
    if (size == 0) continue;
    const std::string limit =
        "the content has more than " + std::to_string(size - 1) + " bytes, the limit for this file";
    CHECK(gunzip_error(text, size - 1) == "[gzip] 'file': " + limit);
    CHECK(gunzip_error(compress(text), size - 1) == "[gzip] 'file': " + limit);
  }
  const std::string members = compress("one ") + compress("") + compress("two");
  CHECK(text_of(gunzip(bytes_of(members), "file")) == "one two");
  CHECK(message_of<DiskError>([&] { read_file(folder / "none"); }) ==
        "[read] '" + (folder / "none").string() + "': No such file or directory");
}

TEST_CASE("broken gzip data is refused") {
  const std::string text = random_text(RandomKey(3, "io_test"), 3000, 26), whole = compress(text);
  for (std::size_t length = 2; length < whole.size(); ++length) {
    INFO(length);
    CHECK(gunzip_error(whole.substr(0, length)).starts_with("[gzip] 'file': the compressed data is truncated after "));
  }
  for (std::size_t i = 10; i < whole.size(); ++i) {  // the ten bytes before hold time and system: free to change
    INFO(i);
    std::string broken = whole;
    broken[i] = static_cast<char>(broken[i] ^ 0x10);
    CHECK(gunzip_error(broken) != "no error");
  }
  std::string sum = whole;
  sum[whole.size() - 8] ^= 1;
  CHECK(gunzip_error(sum) ==
        "[gzip] 'file': the compressed data is corrupt after 3000 bytes of content: incorrect data check");
  CHECK(gunzip_error(whole + "abc") == "[gzip] 'file': 3 bytes follow the compressed data; allowed: none");
  const std::string bomb = compress(std::string(50'000'000, '\0'));
  CHECK(bomb.size() < 60'000);
  CHECK(gunzip_error(bomb, 1'000'000) ==
        "[gzip] 'file': the content has more than 1000000 bytes, the limit for this file");
}

TEST_CASE("IDX: values, shapes and compression") {
  const TemporaryFolder folder;
  const std::string bytes = idx_file(8, {2, 3, 4}, 24);
  write_text(folder / "plain", bytes);
  write_text(folder / "gz", compress(bytes));
  for (const char* name : {"plain", "gz"}) {
    const Tensor t = read_idx(folder / name);
    CHECK(t.shape() == Shape{2, 3, 4});
    for (std::size_t i = 0; i < 24; ++i) CHECK(t.span<std::uint8_t>()[i] == i);
  }
  CHECK(parse_idx(bytes_of(idx_file(8, {0, 28, 28}, 0)), "file").shape() == Shape{0, 28, 28});
  CHECK(parse_idx(bytes_of(idx_file(8, {1, 1, 1, 1, 1, 1, 1, 2}, 2)), "file").rank() == 8);
}

TEST_CASE("IDX: every rule has its own message, word for word") {
  CHECK(idx_error("") == "[idx] 'file': 0 bytes; an IDX file has at least 4");
  CHECK(idx_error(std::string("\0\0\x08", 3)) == "[idx] 'file': 3 bytes; an IDX file has at least 4");
  CHECK(idx_error("\x89PNG") == "[idx] 'file': begins with the bytes 89 50; an IDX file begins with 00 00");
  CHECK(idx_error(idx_file(0x09, {1}, 1)) == "[idx] 'file': holds values of type 0x09 (int8); allowed: 0x08 (uint8)");
  CHECK(idx_error(idx_file(0x0b, {1}, 2)) == "[idx] 'file': holds values of type 0x0b (int16); allowed: 0x08 (uint8)");
  CHECK(idx_error(idx_file(0x0c, {1}, 4)) == "[idx] 'file': holds values of type 0x0c (int32); allowed: 0x08 (uint8)");
  CHECK(idx_error(idx_file(0x0d, {1}, 4)) ==
        "[idx] 'file': holds values of type 0x0d (float32); allowed: 0x08 (uint8)");
  CHECK(idx_error(idx_file(0x0e, {1}, 8)) ==
        "[idx] 'file': holds values of type 0x0e (float64); allowed: 0x08 (uint8)");
  CHECK(idx_error(idx_file(0x0a, {1}, 1)) ==
        "[idx] 'file': holds values of type 0x0a (unknown); allowed: 0x08 (uint8)");
  CHECK(idx_error(idx_file(8, {}, 1)) == "[idx] 'file': has 0 axes; allowed: 1 to 8");
  CHECK(idx_error(idx_file(8, std::vector<std::uint32_t>(9, 1), 1)) == "[idx] 'file': has 9 axes; allowed: 1 to 8");
  CHECK(idx_error(idx_file(8, {2, 3}, 6).substr(0, 11)) ==
        "[idx] 'file': 11 bytes; the header of 2 axes takes 12: the file is truncated");
  CHECK(idx_error(idx_file(8, {2, 3}, 5)) ==
        "[idx] 'file': 5 bytes of values; shape [2, 3] takes 6: the file is truncated");
  CHECK(idx_error(idx_file(8, {2, 3}, 7)) ==
        "[idx] 'file': 7 bytes of values; shape [2, 3] takes 6: surplus bytes are not allowed");
  CHECK(idx_error(idx_file(8, {~0u, ~0u}, 7)) ==
        "[idx] 'file': the axis of 4294967295 makes it too large; allowed: fewer than 2^60 numbers");
  CHECK(idx_error(idx_file(8, {~0u, ~0u, 0}, 0)) ==
        "[idx] 'file': the axis of 4294967295 makes it too large; allowed: fewer than 2^60 numbers");
}

TEST_CASE("MNIST is read") {
  const DataFolder mnist("WEFT_MNIST_DIR", "../shared/data/mnist");
  if (!mnist.asked_for && files_in(mnist.path).empty()) {
    MESSAGE("skipped: no MNIST in " << mnist.path.string());
    return;
  }
  const struct {
    const char* name;
    std::int64_t number;
  } parts[] = {{"train", 60000}, {"t10k", 10000}};
  for (const auto& part : parts) {
    const std::string name = part.name;
    const Tensor images = read_idx(mnist.path / (name + "-images-idx3-ubyte.gz"));
    const Tensor labels = read_idx(mnist.path / (name + "-labels-idx1-ubyte.gz"));
    CHECK(images.shape() == Shape{part.number, 28, 28});
    CHECK(labels.shape() == Shape{part.number});
    std::vector<std::int64_t> counts(10);
    for (auto label : labels.span<std::uint8_t>()) ++counts.at(label);
    for (auto count : counts) CHECK(std::abs(10 * count - part.number) < part.number / 5);
  }
}
