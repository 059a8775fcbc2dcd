#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace weft {

/// Names of what lies in a folder, sorted, without "." and "..". Throws ReadError when it cannot be read. (The standard
/// library's iterators over folders end the program when memory runs out.)
std::vector<std::string> names_in(const std::filesystem::path& folder);

/// A folder that is to be written to, with those above it: made where there is none, and gone again unless something
/// was put into it.
class NewFolder {
 public:
  /// Throws UsageError when it is a file, DiskError when it cannot be made or takes no files.
  explicit NewFolder(const std::filesystem::path& folder);
  ~NewFolder();
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;

 private:
  NewFolder() = default;  // the other one begins with it: if that throws, the destructor clears up

  std::vector<std::filesystem::path> made_;  ///< the innermost first
};

}  // namespace weft
