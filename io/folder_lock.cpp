#include "weft/io/folder_lock.h"

#include <cerrno>

#include <fcntl.h>
#include <sys/file.h>

#include "weft/core/error.h"
#include "weft/io/text.h"

namespace weft {

FolderLock::FolderLock(const std::filesystem::path& folder)
    : folder_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  if (!folder_) throw DiskError("[lock] {}: {}", in_quotes(folder.native()), error_text(errno));
  if (::flock(folder_.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
    throw DiskError("[lock] {}: another process is writing there; wait for it or choose another folder",
                    in_quotes(folder.native()));
}

}  // namespace weft
