#pragma once
// The folders of a zoo that is being written: what may lie in them, and how they are emptied and named.

#include <filesystem>
#include <string>

#include "weft/io/folder.h"
#include "weft/zoo/store_format.h"

namespace weft::zoo_format {

/// In the metadata of a state: how many rows are safe, and the version of the numerics (core/numerics.h).
inline constexpr const char *rows_key = "weft.rows", *numerics_key = "weft.numerics";

/// A zoo's folder under the names that it has before it is complete.
struct Folders {
  std::filesystem::path folder, part, parts, replaced;

  /// A name that ends in a slash or a dot, or is a link, stands for the folder that it means.
  explicit Folders(const std::filesystem::path& named);

  /// Throws UsageError for a folder that cannot be replaced or holds anything but a zoo.
  void check() const;
  /// Throws UsageError when anything of a zoo is there.
  void refuse_existing() const;
  void discard_replaced() const;
  /// Throws DiskError while a job works there.
  void discard_parts() const;
};

/// Of a state. Throws FormatError.
std::int64_t safe_rows(const SafeTensors& state, const std::filesystem::path& path);

/// A part that belongs to `<folder>.parts`: "networks-0-64".
std::string part_name(const ZooRange& range);
/// What a name there, finished or not, stands for; nothing for another name.
std::optional<ZooRange> range_of_part(std::string name);

/// Throws UsageError when another text describes the zoo that lies `there`.
void check_same(const std::filesystem::path& there, const std::string& text);

std::string read_text(const std::filesystem::path& path);
void write_file(const std::filesystem::path& path, const std::string& text);
void remove_file(const std::filesystem::path& path);
/// Of a folder that holds nothing but a zoo.
void remove_folder(const std::filesystem::path& folder);
bool has_files(const std::filesystem::path& folder);
/// Throws DiskError.
void create_folder(const std::filesystem::path& folder);

template <class Keep>
void remove_files(const std::filesystem::path& folder, Keep&& keep) {
  for (const std::string& name : names_in(folder))
    if (!keep(name)) remove_file(folder / name);
}

}  // namespace weft::zoo_format
