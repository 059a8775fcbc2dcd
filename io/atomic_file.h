#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>

namespace weft {

/// A file that appears complete or not at all, and that a power cut after commit() does not undo. Bytes go to a
/// temporary file in the same folder; commit() flushes it to the disk and renames it. Until then, and after any
/// failure, what stood at `path` stays; the destructor removes the temporary. (A killed process leaves a `.weft-*.tmp`
/// behind.) A symbolic link at `path` is replaced, not followed. A file that is replaced leaves its permissions to the
/// new one; what is no regular file (a folder, a device, a pipe, or a link to one) is refused.
class AtomicFile {
 public:
  /// Throws DiskError, as do write() and commit(), saying what failed and why.
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }
  /// Call it once, last.
  void commit();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// "a folder", "a device", "a pipe" …
const char* kind_of_file(std::filesystem::file_type type);

/// Gives a file or folder another name in the same folder, so that a power cut does not undo it; what has that name, if
/// it is of the same kind and no folder with files, is replaced. Throws DiskError.
void rename_durably(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace weft
