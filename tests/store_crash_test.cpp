#include <map>
#include <thread>

#include <doctest/doctest.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "weft/core/error.h"
#include "weft/tests/disk.h"
#include "weft/tests/files.h"
#include "weft/tests/store_samples.h"

using namespace weft;
using namespace weft::testing;
using Existing = ZooWriter::Existing;

namespace {

/// The sample's files as a run that nobody kills writes them.
std::map<std::string, std::string> expected_content(long views = 0) {
  const TemporaryFolder folder;
  train_store_sample(folder / "zoo", Existing::refuse, views);
  CHECK(folder.names() == std::vector<std::string>{"zoo"});
  auto files = content(folder / "zoo");
  CHECK(files.size() == 2 + 3 * store_epochs + (views > 0));
  return files;
}

/// A zoo that is not the sample.
void write_other_zoo(const std::filesystem::path& folder) {
  ZooWriter writer(folder, store_description(small_space(), 1, 9));
  writer.append(store_results(0, 1, 1, RandomKey(9, "x")), store_weights(small_space(), 1, RandomKey(9, "x")));
  writer.finish();
}

pid_t start_writer(const std::filesystem::path& folder, std::string existing, long step, long views = 0) {
  std::string program = WEFT_STORE_WRITER, path = folder.string(), text = std::to_string(step),
              views_text = std::to_string(views);
  char* arguments[] = {program.data(), path.data(), existing.data(), text.data(), views_text.data(), nullptr};
  pid_t child = 0;
  REQUIRE(posix_spawn(&child, program.c_str(), nullptr, nullptr, arguments, environ) == 0);
  return child;
}

/// True when it ended by itself, with success; false when it was killed.
bool ended(pid_t child) {
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  if (WIFSIGNALED(status)) {
    REQUIRE(WTERMSIG(status) == SIGKILL);
    return false;
  }
  REQUIRE(WEXITSTATUS(status) == 0);
  return true;
}

void check_complete(const TemporaryFolder& folder, const std::map<std::string, std::string>& expected) {
  CHECK(content(folder / "zoo") == expected);
  CHECK(folder.names() == std::vector<std::string>{"zoo"});
}

}  // namespace

TEST_CASE("a run that is killed at any step of its work on the disk resumes and writes the same bytes") {
  for (const long views : {0, 2}) {
    INFO(views);
    const auto expected = expected_content(views);
    long killed = 0;
    for (long step = 1;; ++step, ++killed) {
      INFO(step);
      const TemporaryFolder folder;
      const bool done = ended(start_writer(folder / "zoo", "resume", step, views));
      // Whoever opens it in between sees a complete zoo or none.
      if (std::filesystem::exists(folder / "zoo"))
        check_complete(folder, expected);
      else
        CHECK_THROWS_AS(Zoo::open(folder / "zoo"), DiskError);
      CHECK(ended(start_writer(folder / "zoo", "resume", 0, views)));
      check_complete(folder, expected);
      if (done) break;
    }
    CHECK(killed > 50);
  }
}

TEST_CASE("a zoo that is replaced is there, complete, until the new one is, at whatever step the run is killed") {
  const auto expected = expected_content();
  const TemporaryFolder first;
  write_other_zoo(first / "zoo");
  const auto old = content(first / "zoo");
  bool done = false;
  for (long step = 1; !done; ++step) {
    INFO(step);
    const TemporaryFolder folder;
    std::filesystem::copy(first / "zoo", folder / "zoo");
    done = ended(start_writer(folder / "zoo", "replace", step));
    const auto now = content(folder / "zoo");
    const bool between =
        now.empty() && content(folder / "zoo.replaced") == old && content(folder / "zoo.part") == expected;
    CHECK((now == old || now == expected || between));
    // Where not even zoo.json was written there is nothing to resume.
    const bool begun = now != old || std::filesystem::exists(folder / "zoo.part/zoo.json");
    CHECK(ended(start_writer(folder / "zoo", begun ? "resume" : "replace", 0)));
    check_complete(folder, expected);
  }
}

TEST_CASE("a run that is killed again and again, while it starts or resumes too, gets there all the same") {
  const auto expected = expected_content();
  for (std::uint64_t n = 0; n < 20; ++n) {
    INFO(n);
    const RandomKey key = RandomKey(n, "store_crash");
    const TemporaryFolder folder;
    // The steps left grow, so that it ends; half of the kills come from outside, at any moment.
    bool done = false;
    for (std::uint64_t round = 0; !done; ++round) {
      const auto longest = static_cast<std::int64_t>(10 + 5 * round);
      if (uniform_index(key, 2 * round, 2) == 0) {
        done = ended(
            start_writer(folder / "zoo", "resume", 1 + static_cast<long>(uniform_index(key, 2 * round + 1, longest))));
      } else {
        const pid_t child = start_writer(folder / "zoo", "resume", 0);
        std::this_thread::sleep_for(std::chrono::microseconds(100 * uniform_index(key, 2 * round + 1, longest)));
        ::kill(child, SIGKILL);
        done = ended(child);
      }
    }
    check_complete(folder, expected);
  }
}

TEST_CASE("a disk that does not take a file: a clear error, nothing lost, and the run resumes") {
  const auto expected = expected_content();
  for (rlim_t bytes : {100, 2010}) {
    INFO(bytes);
    const TemporaryFolder folder;
    write_other_zoo(folder / "zoo");
    const auto before = content(folder / "zoo");
    {
      const FileSizeLimit limit(bytes);
      const auto message = message_of<DiskError>([&] { train_store_sample(folder / "zoo", Existing::replace); });
      CHECK(message.starts_with("[write] '" + (folder / "zoo.part/").string()));
      CHECK(message.ends_with("': cannot write: File too large"));
    }
    CHECK(content(folder / "zoo") == before);
    // Where not even zoo.json was written there is nothing to resume.
    const bool begun = std::filesystem::exists(folder / "zoo.part/zoo.json");
    CHECK(begun == (bytes > 100));
    train_store_sample(folder / "zoo", begun ? Existing::resume : Existing::replace);
    check_complete(folder, expected);
  }
}

TEST_CASE("a full disk: a clear error, nothing lost, and the run resumes once there is room") {
  const auto expected = expected_content();
  const TemporaryFolder folder;
  const auto disk = folder / "disk";
  std::filesystem::create_directory(disk);
  if (::mount("weft-test", disk.c_str(), "tmpfs", 0, "size=64k") != 0) {
    MESSAGE("skipped: only root may mount a small disk");
    return;
  }
  const struct Unmount {
    std::string path;
    ~Unmount() { ::umount2(path.c_str(), MNT_DETACH); }
  } unmount{disk.string()};
  CHECK(message_of<UsageError>([&] { train_store_sample(disk, Existing::refuse); }) ==
        "[zoo] '" + disk.string() + "' is a mount point; choose a folder inside it");
  int failed = 0;
  for (int pages : {15, 14, 12, 8, 4, 0}) {  // of 16; the ballast takes them
    write_text(disk / "ballast", std::string(static_cast<std::size_t>(pages) * 4096, 'x'));
    std::string message = "no error";
    message = message_of<DiskError>([&] { train_store_sample(disk / "zoo", Existing::resume); });
    if (message == "no error") break;
    INFO(message);
    CHECK(message.find("No space left on device") != std::string::npos);
    CHECK(!std::filesystem::exists(disk / "zoo"));
    ++failed;
  }
  CHECK(failed > 2);
  CHECK(content(disk / "zoo") == expected);
}
