#pragma once

#include <filesystem>

#include "weft/io/descriptor.h"

namespace weft {

/// Keeps other processes out of a folder that one works in: it lies on the folder itself and goes with the process,
/// however that ends. Some network file systems have no such lock; there the user takes care.
class FolderLock {
 public:
  /// Throws DiskError when the folder cannot be opened, or another process, or another lock of this one, holds it.
  explicit FolderLock(const std::filesystem::path& folder);

 private:
  Descriptor folder_;
};

}  // namespace weft
