#pragma once

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include <stdlib.h>

// Files of tests: a folder that goes away again, and the folders of data that a machine may have or not.

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "weft-test-XXXXXX").string();
    if (!::mkdtemp(name.data())) throw std::runtime_error("no temporary folder " + name);
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

  /// Names of the files in it, sorted.
  std::vector<std::string> names() const {
    std::vector<std::string> result;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) result.push_back(entry.path().filename());
    std::sort(result.begin(), result.end());
    return result;
  }

 private:
  std::filesystem::path path_;
};

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

inline void write_text(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

/// The regular files of a folder, sorted; none when there is no such folder.
inline std::vector<std::filesystem::path> files_in(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> result;
  if (!std::filesystem::is_directory(folder)) return result;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.is_regular_file()) result.push_back(entry.path());
  std::sort(result.begin(), result.end());
  return result;
}

/// Every file of a folder, name and bytes.
inline std::map<std::string, std::string> content(const std::filesystem::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& path : files_in(folder)) files.emplace(path.filename(), read_text(path));
  return files;
}

/// A folder of data beside the sources, unless the environment names another one.
struct DataFolder {
  std::filesystem::path path;
  bool asked_for;  ///< by the environment: then it must be there

  DataFolder(const char* variable, const char* beside_sources) {
    const char* value = std::getenv(variable);
    asked_for = value != nullptr;
    path = asked_for ? std::filesystem::path(value) : std::filesystem::path(WEFT_SOURCE_DIR) / beside_sources;
  }
};
