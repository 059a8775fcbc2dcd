#pragma once
// A zoo that the processes of a job make together.

#include "weft/core/ranks.h"
#include "weft/io/folder_lock.h"
#include "weft/zoo/merge_zoo.h"
#include "weft/zoo/store_folders.h"

namespace weft {

/// Every rank writes parts of its own into `<folder>.parts`; rank 0 joins them. A later job, of as many ranks or
/// others, goes on with what is there: a part that is begun and now belongs to several ranks is cut, with the state of
/// its training. So does one process with what a job left, and a job with what one process did.
class ZooPieces {
 public:
  /// Whether a job was there.
  static bool begun(const std::filesystem::path& folder);

  /// All ranks call it; rank 0 looks at the folders and changes them. Throws what ZooWriter throws, UsageError on a
  /// rank with another description than rank 0's.
  ZooPieces(const std::filesystem::path& folder, ZooDescription description, ZooWriter::Existing existing, Ranks& job);

  /// Nothing is left to do.
  bool complete() const { return complete_; }
  /// What this rank has to train, in order, each as a zoo of its own in path().
  const std::vector<ZooDescription>& own() const { return own_; }
  std::filesystem::path path(const ZooDescription& part) const;
  /// On rank 0, when all parts are complete: the zoo.
  void merge(const std::function<void()>& after_shard);

 private:
  std::vector<ZooRange> prepare(ZooWriter::Existing existing);
  bool is_complete() const;
  void tidy() const;
  void adopt_one_process() const;
  std::vector<ZooRange> cut(const ZooRange& part) const;
  ZooRange share(int rank) const;

  Ranks& job_;
  zoo_format::Folders folders_;
  ZooDescription description_;
  bool complete_ = false;
  std::optional<FolderLock> lock_;
  std::vector<ZooRange> all_;
  std::vector<ZooDescription> own_;
};

}  // namespace weft
