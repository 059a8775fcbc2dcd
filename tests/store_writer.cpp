#include <csignal>
#include <cstdio>
#include <cstdlib>

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "weft/tests/store_samples.h"

// Writes the sample zoo, or resumes it, and is killed on the way:
//   weft_store_writer FOLDER resume|replace STEP VIEWS
// The calls that change a disk are counted; the one with number STEP is half done when the process kills itself (0:
// none). The test store_crash runs it for every STEP.

namespace {

long step_to_die = 0, steps = 0;

bool last_step() { return ++steps == step_to_die; }

[[noreturn]] void die() {
  ::kill(::getpid(), SIGKILL);
  std::abort();
}

}  // namespace

// These take the place of the C library's for the whole process, also for what std::filesystem calls.
extern "C" {

ssize_t write(int file, const void* bytes, size_t size) {
  if (!last_step()) return ::syscall(SYS_write, file, bytes, size);
  ::syscall(SYS_write, file, bytes, size / 2);
  die();
}

int fsync(int) {  // a killed process, unlike a power cut, loses nothing that was written
  if (last_step()) die();
  return 0;
}

int rename(const char* from, const char* to) {
  if (last_step()) die();
  return static_cast<int>(::syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}

int remove(const char* path) {
  if (last_step()) die();
  if (::syscall(SYS_unlinkat, AT_FDCWD, path, 0) == 0) return 0;
  return static_cast<int>(::syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR));
}

int mkdir(const char* path, mode_t mode) {
  if (last_step()) die();
  return static_cast<int>(::syscall(SYS_mkdirat, AT_FDCWD, path, mode));
}
}

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  using Existing = weft::ZooWriter::Existing;
  const Existing existing = std::string_view(argv[2]) == "replace" ? Existing::replace : Existing::resume;
  step_to_die = std::strtol(argv[3], nullptr, 10);
  try {
    weft::testing::train_store_sample(argv[1], existing, std::strtol(argv[4], nullptr, 10));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
