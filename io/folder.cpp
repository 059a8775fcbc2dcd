#include "weft/io/folder.h"

#include <algorithm>
#include <cerrno>
#include <memory>

#include <dirent.h>

#include "weft/core/error.h"
#include "weft/io/descriptor.h"
#include "weft/io/text.h"

namespace weft {

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

}  // namespace weft
