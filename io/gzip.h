#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

/// More than any data file that weft reads as a whole, and less than a gzip bomb makes of a few megabytes.
inline constexpr std::size_t default_read_limit = std::size_t{4} << 30;

/// The whole content of a file, decompressed when it is gzip (seen by its first two bytes, not by its name).
/// Throws DiskError when it cannot be read; FormatError when the gzip data is truncated or corrupt, or the content has
/// more than `limit` bytes.
std::vector<std::byte> read_file(const std::filesystem::path& path, std::size_t limit = default_read_limit);

/// The same for bytes in memory; `file` names them in messages.
std::vector<std::byte> gunzip(std::span<const std::byte> bytes, std::string_view file,
                              std::size_t limit = default_read_limit);

/// The path, or where there is no such file, the one with ".gz" behind it.
inline std::string plain_or_gz(const std::string& path) { return std::filesystem::exists(path) ? path : path + ".gz"; }

}  // namespace weft
