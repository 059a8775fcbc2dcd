#include "weft/io/gzip.h"

#include <algorithm>
#include <array>
#include <limits>
#include <new>

#include <zlib.h>

#include "weft/core/error.h"
#include "weft/io/mapped_file.h"
#include "weft/io/text.h"

namespace weft {
namespace {

using Bytes = std::vector<std::byte>;

bool is_gzip(std::span<const std::byte> bytes) {
  return bytes.size() >= 2 && bytes[0] == std::byte{0x1f} && bytes[1] == std::byte{0x8b};
}

[[noreturn]] void too_large(std::string_view file, std::size_t limit) {
  throw FormatError("[gzip] {}: the content has more than {} bytes, the limit for this file", in_quotes(file), limit);
}

/// One gzip member: inflates from the front of `bytes`, which it shortens, to the end of `out`.
class Inflater {
 public:
  Inflater() {
    constexpr int gzip_only = 16;
    if (inflateInit2(&stream_, MAX_WBITS + gzip_only) != Z_OK) throw std::bad_alloc();
  }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  void run(std::span<const std::byte>& bytes, Bytes& out, std::string_view file, std::size_t limit) {
    constexpr std::size_t most = std::numeric_limits<uInt>::max();
    for (int status = Z_OK; status != Z_STREAM_END;) {
      const std::size_t given = std::min(bytes.size(), most);
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(bytes.data()));
      stream_.avail_in = static_cast<uInt>(given);
      stream_.next_out = reinterpret_cast<Bytef*>(chunk_.data());
      stream_.avail_out = static_cast<uInt>(chunk_.size());
      status = inflate(&stream_, Z_NO_FLUSH);
      bytes = bytes.subspan(given - stream_.avail_in);
      out.insert(out.end(), chunk_.begin(), chunk_.end() - stream_.avail_out);
      if (out.size() > limit) too_large(file, limit);
      if (status == Z_MEM_ERROR) throw std::bad_alloc();
      if (status == Z_BUF_ERROR || (status == Z_OK && bytes.empty() && stream_.avail_out > 0))
        throw FormatError("[gzip] {}: the compressed data is truncated after {} bytes of content", in_quotes(file),
                          out.size());
      if (status != Z_OK && status != Z_STREAM_END)
        throw FormatError("[gzip] {}: the compressed data is corrupt after {} bytes of content: {}", in_quotes(file),
                          out.size(), stream_.msg ? stream_.msg : "needs a dictionary");
    }
  }

 private:
  z_stream stream_{};
  std::array<std::byte, std::size_t{1} << 16> chunk_;
};

}  // namespace

Bytes gunzip(std::span<const std::byte> bytes, std::string_view file, std::size_t limit) {
  if (!is_gzip(bytes)) {
    if (bytes.size() > limit) too_large(file, limit);
    return {bytes.begin(), bytes.end()};
  }
  Bytes out;
  while (is_gzip(bytes)) Inflater().run(bytes, out, file, limit);  // a file may hold several members
  if (!bytes.empty())
    throw FormatError("[gzip] {}: {} bytes follow the compressed data; allowed: none", in_quotes(file), bytes.size());
  return out;
}

Bytes read_file(const std::filesystem::path& path, std::size_t limit) {
  return gunzip(MappedFile(path).bytes(), path.native(), limit);
}

}  // namespace weft
