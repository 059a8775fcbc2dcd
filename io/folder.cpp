#include "weft/io/folder.h"

#include <algorithm>
#include <cerrno>
#include <memory>

#include <dirent.h>

#include "weft/core/error.h"
#include "weft/io/atomic_file.h"
#include "weft/io/descriptor.h"
#include "weft/io/text.h"

namespace weft {
namespace fs = std::filesystem;

std::vector<std::string> names_in(const std::filesystem::path& folder) {
  struct Close {
    void operator()(DIR* stream) const { ::closedir(stream); }
  };
  const std::unique_ptr<DIR, Close> stream(::opendir(folder.c_str()));
  if (!stream) throw ReadError("[read] {}: {}", in_quotes(folder.native()), error_text(errno));
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(stream.get());
    if (!entry && errno) throw ReadError("[read] {}: {}", in_quotes(folder.native()), error_text(errno));
    if (!entry) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

NewFolder::NewFolder(const fs::path& folder) : NewFolder() {
  if (fs::exists(folder) && !fs::is_directory(folder))
    throw UsageError("[write] {} is not a folder; choose another name", in_quotes(folder.native()));
  for (fs::path at = folder; !at.empty() && at != at.root_path(); at = at.parent_path())
    if (at.has_filename() && !fs::exists(at)) made_.push_back(at);
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw DiskError("[write] {}: cannot create it: {}", in_quotes(folder.native()), error.message());
  const AtomicFile probe(folder / "probe");  // goes away unwritten
}

NewFolder::~NewFolder() {
  std::error_code full;  // then it stays
  for (const fs::path& folder : made_) fs::remove(folder, full);
}

}  // namespace weft
