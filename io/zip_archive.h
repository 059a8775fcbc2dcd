#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

/// A file in a zip archive.
struct ZipEntry {
  std::string name;
  std::size_t size = 0;                            ///< of the content
  std::size_t packed_size = 0;                     ///< in the archive
  bool stored = true;                              ///< or deflated
  std::span<const std::byte> raw;                  ///< as it lies in the archive: the content where it is stored
  std::uint64_t directory_offset = 0, number = 0;  ///< where minizip finds it again
};

/// The table of contents of a zip archive in memory, read by minizip and checked: entries lie within the archive, are
/// stored or deflated, unencrypted, not larger than deflate can pack, and have different names. Stored ones are found
/// where they lie, so that a mapped archive is read without copying. Throws FormatError; `tag` and `file` name the
/// format and the file in messages.
class ZipArchive {
 public:
  /// The content of one deflated entry has at most so many bytes.
  static constexpr std::size_t most_unpacked = std::size_t{4} << 30;

  ZipArchive(std::span<const std::byte> bytes, std::string_view tag, std::string_view file);

  /// Without folders.
  const std::vector<ZipEntry>& entries() const { return entries_; }
  /// Null where there is none of that name.
  const ZipEntry* find(std::string_view name) const;
  /// The content of a deflated entry: exactly its size. Throws FormatError where the data is corrupt, its length or its
  /// checksum wrong. (Checksums of stored entries are not computed: neither does PyTorch.)
  std::vector<std::byte> unpack(const ZipEntry& entry) const;
  /// Its first bytes, `most` or as many as it has, before anything of its checksum is known.
  std::vector<std::byte> unpack_front(const ZipEntry& entry, std::size_t most) const;

 private:
  std::vector<std::byte> unpack(const ZipEntry& entry, std::size_t count) const;

  std::span<const std::byte> bytes_;
  std::string tag_, file_;
  std::vector<ZipEntry> entries_;
  std::map<std::string, std::size_t, std::less<>> index_;
};

}  // namespace weft
