#pragma once
// A zoo that the processes of a job make together.

#include "weft/core/ranks.h"
#include "weft/io/folder_lock.h"
#include "weft/zoo/merge_zoo.h"
#include "weft/zoo/store_folders.h"

namespace weft {

/// The networks of `all` that a rank takes, of `size`, as share_of() in core/ranks.h says.
ZooRange share_of(const ZooRange& all, int rank, int size);

/// Every rank writes parts of its own into `<folder>.parts`; rank 0 joins them. A later job, of as many ranks or
/// others, goes on with what is there: a part that is begun and now belongs to several ranks is cut, with the state of
/// its training. So does one process with what a job left, and a job with what one process did.
class ZooPieces {
 public:
  /// Whether a job was there.
  static bool begun(const std::filesystem::path& folder);

  /// All ranks call it; rank 0 looks at the folders and changes them. Throws what ZooWriter throws.
  ZooPieces(const std::filesystem::path& folder, ZooDescription description, ZooWriter::Existing existing, Ranks& job);

  /// Nothing is left to do.
  bool complete() const { return complete_; }
  /// What this rank has to train, in order, each as a zoo of its own in path().
  const std::vector<ZooDescription>& own() const { return own_; }
  std::filesystem::path path(const ZooDescription& part) const;
  /// On rank 0, when all parts are complete.
  void join(const std::function<void()>& after_shard);

 private:
  std::vector<ZooRange> prepare(ZooWriter::Existing existing);
  void tidy() const;
  void adopt_one_process() const;
  std::vector<ZooRange> cut(const ZooRange& part) const;

  Ranks& job_;
  zoo_format::Folders folders_;
  ZooDescription description_;
  bool complete_ = false;
  std::optional<FolderLock> lock_;
  std::vector<ZooRange> all_;
  std::vector<ZooDescription> own_;
};

}  // namespace weft
