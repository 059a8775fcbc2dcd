#include "weft/io/zip_archive.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>

#include <minizip/unzip.h>
#include <zlib.h>

#include "weft/core/error.h"
#include "weft/io/text.h"

namespace weft {
namespace {

/// minizip's file functions, on bytes in memory.
struct Memory {
  std::span<const std::byte> bytes;
  std::size_t at = 0;
};

Memory& memory(voidpf stream) { return *static_cast<Memory*>(stream); }

voidpf open_memory(voidpf opaque, const void*, int) { return opaque; }

uLong read_memory(voidpf, voidpf stream, void* to, uLong size) {
  Memory& m = memory(stream);
  const std::size_t count = std::min<std::size_t>(size, m.bytes.size() - m.at);
  if (count) std::memcpy(to, m.bytes.data() + m.at, count);
  m.at += count;
  return count;
}

uLong write_memory(voidpf, voidpf, const void*, uLong) { return 0; }
ZPOS64_T tell_memory(voidpf, voidpf stream) { return memory(stream).at; }

long seek_memory(voidpf, voidpf stream, ZPOS64_T offset, int origin) {
  Memory& m = memory(stream);
  const std::size_t base = origin == SEEK_SET ? 0 : origin == SEEK_CUR ? m.at : m.bytes.size();
  if (offset > m.bytes.size() - base) return -1;
  m.at = base + offset;
  return 0;
}

int close_memory(voidpf, voidpf) { return 0; }
int error_memory(voidpf, voidpf) { return 0; }

/// Whether the archive has its last record, and nothing behind it but the comment that the record announces. minizip
/// does without where it can.
bool ends_whole(std::span<const std::byte> bytes) {
  constexpr std::size_t record = 22, longest_comment = 65535;
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::size_t first = text.size() - std::min(text.size(), record + longest_comment);
  for (auto at = text.find("PK\5\6", first); at != text.npos; at = text.find("PK\5\6", at + 1)) {
    if (text.size() - at < record) return false;
    std::uint16_t comment = 0;
    std::memcpy(&comment, text.data() + at + record - sizeof comment, sizeof comment);
    if (text.size() - at == record + comment) return true;
  }
  return false;
}

class Unzip {
 public:
  explicit Unzip(std::span<const std::byte> bytes) : memory_{bytes} {
    zlib_filefunc64_def functions{open_memory, read_memory,  write_memory, tell_memory,
                                  seek_memory, close_memory, error_memory, &memory_};
    file_ = unzOpen2_64("", &functions);
  }
  ~Unzip() {
    if (file_) unzClose(file_);
  }
  Unzip(const Unzip&) = delete;
  Unzip& operator=(const Unzip&) = delete;

  explicit operator bool() const { return file_ != nullptr; }
  unzFile get() const { return file_; }

 private:
  Memory memory_;
  unzFile file_ = nullptr;
};

}  // namespace

ZipArchive::ZipArchive(std::span<const std::byte> bytes, std::string_view tag, std::string_view file)
    : bytes_(bytes), tag_(tag), file_(file) {
  const auto fail = [&](const std::string& what) { throw FormatError("[{}] {}: {}", tag_, in_quotes(file_), what); };
  if (std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()).starts_with("PK\5\6"))
    return;  // an empty archive, which minizip does not open
  const Unzip zip(bytes);
  if (!zip || !ends_whole(bytes)) fail("a zip archive without a table of contents at its end: the file is truncated");
  int status = unzGoToFirstFile(zip.get());
  for (; status == UNZ_OK; status = unzGoToNextFile(zip.get())) {
    unz_file_info64 info{};
    unz64_file_pos position{};
    if (unzGetCurrentFileInfo64(zip.get(), &info, nullptr, 0, nullptr, 0, nullptr, 0) != UNZ_OK) break;
    ZipEntry entry;
    entry.name.resize(info.size_filename + 1);  // minizip adds a NUL
    if (unzGetCurrentFileInfo64(zip.get(), &info, entry.name.data(), static_cast<uLong>(entry.name.size()), nullptr, 0,
                                nullptr, 0) != UNZ_OK ||
        unzGetFilePos64(zip.get(), &position) != UNZ_OK)
      break;
    entry.name.pop_back();
    if (entry.name.ends_with('/')) continue;
    const std::string quoted = in_quotes(entry.name);
    if (info.flag & 1) fail(fmt::format("entry {} is encrypted; unpack and store it without", quoted));
    if (info.compression_method != 0 && info.compression_method != Z_DEFLATED)
      fail(fmt::format("entry {} is compressed by method {}; allowed: none (0) and deflate (8)", quoted,
                       info.compression_method));
    entry.stored = info.compression_method == 0;
    entry.size = info.uncompressed_size;
    entry.packed_size = info.compressed_size;
    entry.directory_offset = position.pos_in_zip_directory;
    entry.number = position.num_of_file;
    // Opening it reads its local header, whose length is told nowhere else, and compares it with the table's.
    if (unzOpenCurrentFile2(zip.get(), nullptr, nullptr, 1) != UNZ_OK)
      fail(fmt::format("entry {} does not begin where the table of contents says: the file is damaged", quoted));
    const std::size_t begin = unzGetCurrentFileZStreamPos64(zip.get());
    unzCloseCurrentFile(zip.get());
    if (begin > bytes.size() || entry.packed_size > bytes.size() - begin)
      fail(fmt::format("entry {} ends behind the archive: the file is truncated or damaged", quoted));
    if (entry.stored && entry.size != entry.packed_size)
      fail(fmt::format("entry {} is stored, and has {} bytes as well as {}", quoted, entry.size, entry.packed_size));
    constexpr std::size_t best_ratio = 1032;  // of deflate
    if (!entry.stored && entry.size / best_ratio > entry.packed_size)
      fail(fmt::format("entry {} claims to unpack {} bytes from {}, which deflate cannot", quoted, entry.size,
                       entry.packed_size));
    if (!entry.stored && entry.size > most_unpacked)
      fail(fmt::format("entry {} unpacks to {} bytes; allowed: at most {}", quoted, entry.size, most_unpacked));
    entry.raw = bytes.subspan(begin, entry.packed_size);
    if (!index_.try_emplace(entry.name, entries_.size()).second) fail(fmt::format("two entries are called {}", quoted));
    entries_.push_back(std::move(entry));
  }
  if (status != UNZ_END_OF_LIST_OF_FILE) fail("the table of contents of the zip archive is damaged");
}

const ZipEntry* ZipArchive::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &entries_[found->second];
}

std::vector<std::byte> ZipArchive::unpack(const ZipEntry& entry) const { return unpack(entry, entry.size); }

std::vector<std::byte> ZipArchive::unpack_front(const ZipEntry& entry, std::size_t most) const {
  return unpack(entry, std::min(most, entry.size));
}

std::vector<std::byte> ZipArchive::unpack(const ZipEntry& entry, std::size_t count) const {
  std::vector<std::byte> content(count);
  const Unzip zip(bytes_);
  const unz64_file_pos position{entry.directory_offset, entry.number};
  bool whole = zip && unzGoToFilePos64(zip.get(), &position) == UNZ_OK && unzOpenCurrentFile(zip.get()) == UNZ_OK;
  for (std::size_t done = 0; whole && done < count;) {
    constexpr std::size_t piece = std::size_t{1} << 28;
    const int read =
        unzReadCurrentFile(zip.get(), content.data() + done, static_cast<unsigned>(std::min(piece, count - done)));
    whole = read > 0;
    done += whole ? static_cast<std::size_t>(read) : 0;
  }
  std::byte surplus;
  if (whole && count == entry.size)
    whole = unzReadCurrentFile(zip.get(), &surplus, 1) == 0 && unzCloseCurrentFile(zip.get()) == UNZ_OK;
  if (!whole)
    throw FormatError("[{}] {}: entry {} does not unpack to the {} bytes and the checksum that it has: it is damaged",
                      tag_, in_quotes(file_), in_quotes(entry.name), entry.size);
  return content;
}

}  // namespace weft
