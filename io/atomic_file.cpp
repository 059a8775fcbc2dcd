#include "weft/io/atomic_file.h"

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <optional>

#include <fcntl.h>
#include <sys/stat.h>

#include "weft/core/error.h"
#include "weft/io/descriptor.h"
#include "weft/io/text.h"

namespace weft {
namespace {

std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

/// Unique among the threads of all running processes; O_EXCL guards against what a dead one left.
std::filesystem::path temporary_name(const std::filesystem::path& folder) {
  static std::atomic<unsigned> count{0};
  return folder / fmt::format(".weft-{}-{}.tmp", ::getpid(), count++);
}

int create(const std::filesystem::path& path) {
  return ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
}

[[noreturn]] void fail(const std::filesystem::path& path, const char* what, int error) {
  throw DiskError("[write] {}: {}: {}", in_quotes(path.native()), what, error_text(error));
}

/// The permissions of the file that is to be replaced; none where there is no file yet.
std::optional<mode_t> replaced_mode(const std::filesystem::path& path) {
  struct stat there {};
  if (::stat(path.c_str(), &there) != 0) return std::nullopt;  // creating the temporary says what is wrong, if anything
  if (!S_ISREG(there.st_mode))
    throw DiskError("[write] {} is {}, no file that could be replaced; choose another name", in_quotes(path.native()),
                    kind_of_file(std::filesystem::status(path).type()));
  return there.st_mode & 0777;
}

}  // namespace

const char* kind_of_file(std::filesystem::file_type type) {
  using enum std::filesystem::file_type;
  switch (type) {
    case regular:
      return "a regular file";
    case directory:
      return "a folder";
    case block:
    case character:
      return "a device";
    case fifo:
      return "a pipe";
    case socket:
      return "a socket";
    default:
      return "no regular file";
  }
}

struct AtomicFile::State {
  explicit State(std::filesystem::path p) : path(std::move(p)) {}
  ~State() {
    if (!temporary.empty()) ::unlink(temporary.c_str());
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  std::filesystem::path path, temporary;
  Descriptor file{-1};
};

AtomicFile::AtomicFile(std::filesystem::path path_) : state_(new State(std::move(path_))) {
  State& s = *state_;
  const std::filesystem::path folder = folder_of(s.path);
  const std::optional<mode_t> mode = replaced_mode(s.path);
  do {
    s.temporary = temporary_name(folder);
    s.file = Descriptor(create(s.temporary));
  } while (!s.file && errno == EEXIST);
  const int error = errno;
  if (!s.file) {
    s.temporary.clear();
    fail(s.path, "cannot create a file in its folder", error);
  }
  if (mode && ::fchmod(s.file.get(), *mode) != 0) fail(s.path, "cannot give it the permissions that it had", errno);
}

AtomicFile::~AtomicFile() = default;

void AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(state_->file.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(state_->path, "cannot write", errno);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void AtomicFile::commit() {
  State& s = *state_;
  if (::fsync(s.file.get()) != 0) fail(s.path, "cannot flush to the disk", errno);
  if (!s.file.close()) fail(s.path, "cannot close", errno);
  rename_durably(s.temporary, s.path);
  s.temporary.clear();
}

void rename_durably(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (std::rename(from.c_str(), to.c_str()) != 0) fail(to, "cannot replace it", errno);
  // The new name itself is on the disk once its folder is. Some file systems cannot flush folders: EINVAL.
  const Descriptor folder(::open(folder_of(to).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder || (::fsync(folder.get()) != 0 && errno != EINVAL))
    fail(to, "written, but its folder cannot be flushed to the disk", errno);
}

}  // namespace weft
