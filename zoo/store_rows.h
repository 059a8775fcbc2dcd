#pragma once
// The weights of a shard, read from its file when they are asked for.

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "weft/groups/space.h"
#include "weft/io/descriptor.h"
#include "weft/io/safetensors.h"

namespace weft::zoo_format {

/// Where a shard has which rows. They are not mapped: pages that were read do not count as this process's memory, and a
/// file that was cut is an error where a mapped one would end the process. Nor is the file kept open, for a zoo may
/// have more shards than a process may have files.
class ShardRows {
 public:
  /// `file` is the shard, opened from `path`; it has checked names and shapes. Throws ReadError.
  ShardRows(const std::filesystem::path& path, const SafeTensors& file, const Space& space);

  /// Numbers of one row of tensor t.
  std::int64_t size(std::size_t t) const { return sizes_[t]; }
  const std::filesystem::path& path() const { return path_; }

  /// The file while it is read from.
  class Reading {
   public:
    /// Throws ReadError where the file is gone, or is no longer the one that was opened.
    explicit Reading(const ShardRows& shard);
    /// Rows [first, first + count) of tensor t. Throws ReadError.
    void read(std::size_t t, std::int64_t first, std::int64_t count, float* to) const;
    /// The same rows of all tensors will be read soon: the system may fetch them from the disk meanwhile.
    void prefetch(std::int64_t first, std::int64_t count) const;

   private:
    const ShardRows& shard_;
    Descriptor file_;
  };

 private:
  std::filesystem::path path_, absolute_;  ///< as it was given, for messages; and wherever the process has moved to
  std::uint64_t device_ = 0, inode_ = 0;
  std::int64_t bytes_ = 0;
  std::vector<std::int64_t> begins_, sizes_;  ///< of tensors: bytes into the file, numbers of a row
};

}  // namespace weft::zoo_format
