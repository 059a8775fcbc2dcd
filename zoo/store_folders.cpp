#include "weft/zoo/store_folders.h"

#include <charconv>

#include <sys/stat.h>

#include "weft/io/atomic_file.h"
#include "weft/io/folder_lock.h"
#include "weft/io/gzip.h"

namespace weft::zoo_format {
namespace fs = std::filesystem;

namespace {

/// A file that a zoo, complete or not, may consist of: nothing else is ever removed.
bool belongs_to_zoo(const std::string& name) {
  if (name == description_file || name == table_file || name == images_file || name == state_file) return true;
  if (name.starts_with(".weft-") && name.ends_with(".tmp")) return true;  // of an AtomicFile whose process was killed
  unsigned long long shard = 0;
  const std::string_view prefix = "weights-";
  if (!name.starts_with(prefix)) return false;
  std::from_chars(name.data() + prefix.size(), name.data() + name.size(), shard);
  return name == shard_file(shard);
}

template <class Belongs>
void check_only(const fs::path& folder, const Belongs& belongs) {
  if (!fs::exists(fs::symlink_status(folder))) return;
  if (!fs::is_directory(folder))
    throw UsageError("[zoo] {} is not a folder; choose another name", in_quotes(folder.native()));
  for (const std::string& name : names_in(folder))
    if (!belongs(name))
      throw UsageError("[zoo] {} holds {}, which is no part of a zoo; choose another folder",
                       in_quotes(folder.native()), in_quotes(name));
}

void check_only_zoo(const fs::path& folder) { check_only(folder, belongs_to_zoo); }

fs::path meant(fs::path folder) {
  if (!folder.has_filename()) folder = folder.parent_path();
  const bool dots = folder.filename() == "." || folder.filename() == "..";
  return dots || fs::is_symlink(folder) ? fs::canonical(folder) : folder;
}

/// A finished zoo could not be renamed to one: that must not come out after hours of training.
void check_no_mount_point(const fs::path& folder) {
  struct stat itself {};
  struct stat parent {};
  if (::stat(folder.c_str(), &itself) != 0 || ::stat((folder / "..").c_str(), &parent) != 0) return;
  if (itself.st_dev != parent.st_dev)
    throw UsageError("[zoo] {} is a mount point; choose a folder inside it", in_quotes(folder.native()));
}

}  // namespace

Folders::Folders(const fs::path& named)
    : folder(meant(named)),
      part(beside(folder, ".part")),
      parts(beside(folder, ".parts")),
      replaced(beside(folder, ".replaced")) {}

void Folders::check() const {
  check_no_mount_point(folder);
  for (const fs::path& path : {folder, part, replaced}) check_only_zoo(path);
  check_only(parts, [](const std::string& name) { return range_of_part(name).has_value(); });
  if (fs::exists(parts))
    for (const std::string& name : names_in(parts)) check_only_zoo(parts / name);
}

void Folders::refuse_existing() const {
  if (has_files(folder))
    throw UsageError("[zoo] {} is there; replace it or choose another folder", in_quotes(folder.native()));
  for (const fs::path& unfinished : {part, parts})
    if (has_files(unfinished))
      throw UsageError("[zoo] {} holds an unfinished zoo; resume it, replace it or choose another folder",
                       in_quotes(unfinished.native()));
}

void Folders::discard_replaced() const {
  if (fs::exists(replaced)) remove_folder(replaced);
}

void Folders::discard_parts() const {
  if (!fs::exists(parts)) return;
  const FolderLock alone(parts);
  for (const std::string& name : names_in(parts)) remove_folder(parts / name);
  remove_file(parts);
}

std::int64_t safe_rows(const SafeTensors& state, const fs::path& path) {
  const auto found = state.metadata().find(rows_key);
  const std::string count = found == state.metadata().end() ? "" : found->second;
  std::uint32_t rows = 0;
  const auto [end, error] = std::from_chars(count.data(), count.data() + count.size(), rows);
  if (error != std::errc{} || end != count.data() + count.size())
    fail(path, "'{}' is {}; allowed: the number of rows: replace the zoo", rows_key, in_quotes(count));
  return rows;
}

std::string part_name(const ZooRange& range) { return fmt::format("networks-{}-{}", range.first, range.end); }

std::optional<ZooRange> range_of_part(std::string name) {
  for (const std::string_view suffix : {".part", ".replaced"})
    if (name.ends_with(suffix)) name.resize(name.size() - suffix.size());
  ZooRange range;
  const std::string_view prefix = "networks-";
  if (!name.starts_with(prefix)) return std::nullopt;
  const char* end = name.data() + name.size();
  const char* at = std::from_chars(name.data() + prefix.size(), end, range.first).ptr;
  if (at == end) return std::nullopt;
  std::from_chars(at + 1, end, range.end);
  if (part_name(range) != name) return std::nullopt;
  return range;
}

void check_same(const fs::path& there, const std::string& text) {
  if (const auto difference = first_difference(read_text(there / description_file), text); !difference.empty())
    throw UsageError("[zoo] {} has another description: {}; resume with the same one, or replace it",
                     in_quotes(there.native()), difference);
}

std::string read_text(const fs::path& path) {
  const auto bytes = read_file(path);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void write_file(const fs::path& path, const std::string& text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

void remove_file(const fs::path& path) {
  std::error_code error;
  fs::remove(path, error);
  if (error) throw DiskError("[write] {}: cannot remove it: {}", in_quotes(path.native()), error.message());
}

void remove_folder(const fs::path& folder) {
  remove_files(folder, [](const std::string&) { return false; });
  remove_file(folder);
}

bool has_files(const fs::path& folder) { return fs::exists(folder) && !names_in(folder).empty(); }

void create_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw DiskError("[zoo] {}: cannot create it: {}", in_quotes(folder.native()), error.message());
}

}  // namespace weft::zoo_format
