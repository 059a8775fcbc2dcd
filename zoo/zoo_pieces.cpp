#include "weft/zoo/zoo_pieces.h"

#include <algorithm>
#include <sstream>
#include <utility>

#include "weft/io/atomic_file.h"
#include "weft/zoo/cut_zoo.h"

namespace weft {
namespace fs = std::filesystem;
using namespace zoo_format;

namespace {

bool inside(const ZooRange& a, const ZooRange& b) { return b.first <= a.first && a.end <= b.end; }

/// Of all pieces that lie in `parts`, finished or not.
std::vector<ZooRange> ranges_in(const fs::path& parts) {
  std::vector<ZooRange> all;
  for (const std::string& name : names_in(parts)) all.push_back(*range_of_part(name));
  std::ranges::sort(all, {}, &ZooRange::first);
  all.erase(std::ranges::unique(all).begin(), all.end());
  return all;
}

/// Unless a rank of another job writes there still.
void remove_part(const fs::path& path) {
  const FolderLock alone(path);
  remove_folder(path);
}

std::string text_of(const std::vector<ZooRange>& ranges) {
  std::string text;
  for (const ZooRange& r : ranges) text += fmt::format("{} {} ", r.first, r.end);
  return text;
}

std::vector<ZooRange> ranges_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<ZooRange> all;
  for (ZooRange r; in >> r.first >> r.end;) all.push_back(r);
  return all;
}

}  // namespace

bool ZooPieces::begun(const fs::path& folder) { return fs::exists(Folders(folder).parts); }

ZooPieces::ZooPieces(const fs::path& folder, ZooDescription description, ZooWriter::Existing existing, Ranks& job)
    : job_(job), folders_(folder), description_(std::move(description)) {
  const std::string text = description_text(description_);
  std::string ranges;
  if (job_.first()) disk_errors([&] { ranges = text_of(prepare(existing)); });
  // How long rank 0 cuts parts says nothing of whether it is well.
  const double timeout = std::exchange(job_.timeout, 0);
  ranges = job_.broadcast(ranges);
  const std::string first = job_.broadcast(text);
  job_.timeout = timeout;
  if (const std::string difference = first_difference(first, text); !difference.empty())
    throw UsageError("[zoo] rank {} makes another zoo than rank 0: {}; start all ranks with the same options and data",
                     job_.rank(), difference);
  all_ = ranges_of(ranges);
  complete_ = all_.empty();
  const ZooRange own = share(job_.rank());
  for (const ZooRange& range : all_)
    if (own.first <= range.first && range.first < own.end) {
      own_.push_back(description_);
      own_.back().part = range;
    }
}

ZooRange ZooPieces::share(int rank) const {
  const ZooRange all = description_.range();
  const auto [first, end] = share_of(all.networks(), rank, job_.size());
  return {all.first + first, all.first + end};
}

fs::path ZooPieces::path(const ZooDescription& part) const { return folders_.parts / part_name(part.range()); }

void ZooPieces::merge(const std::function<void()>& after_shard) {
  std::vector<fs::path> paths;
  for (const ZooRange& range : all_) paths.push_back(folders_.parts / part_name(range));
  // What must not be replaced was refused before the parts were made. One that is begun goes on, whatever has its name.
  disk_errors([&] {
    create_folder(folders_.part);
    write_file(folders_.part / description_file, description_text(description_));
    merge_zoo(paths, folders_.folder, description_, ZooWriter::Existing::resume, after_shard);
    lock_.reset();
    folders_.discard_parts();
  });
}

/// That it is there, and not one that is to be replaced.
bool ZooPieces::is_complete() const {
  if (!fs::exists(folders_.folder / table_file) || fs::exists(folders_.part / description_file)) return false;
  const std::string there = read_text(folders_.folder / description_file);
  return !has_files(folders_.parts) || first_difference(there, description_text(description_)).empty();
}

/// Nothing for a zoo that is complete.
std::vector<ZooRange> ZooPieces::prepare(ZooWriter::Existing existing) {
  using Existing = ZooWriter::Existing;
  folders_.check();
  if (existing == Existing::refuse) folders_.refuse_existing();
  const bool finishing = fs::exists(folders_.part / table_file) && !fs::exists(folders_.part / state_file) &&
                         !has_files(folders_.parts);  // killed after its last shard
  if (existing == Existing::resume && (finishing || is_complete()) &&
      ZooWriter(folders_.folder, description_, existing).complete())
    return {};
  create_folder(folders_.parts);
  lock_.emplace(folders_.parts);
  if (fs::exists(folders_.part)) {
    const FolderLock alone(folders_.part);
    if (existing == Existing::replace) remove_files(folders_.part, [](const std::string&) { return false; });
    if (existing == Existing::resume) adopt_one_process();
  }
  if (existing == Existing::replace)
    for (const std::string& name : names_in(folders_.parts)) remove_part(folders_.parts / name);
  tidy();
  std::vector<ZooRange> all;
  for (const ZooRange& range : ranges_in(folders_.parts)) {
    const std::vector<ZooRange> now = cut(range);
    all.insert(all.end(), now.begin(), now.end());
  }
  // What nobody has begun.
  for (int rank = 0; rank < job_.size(); ++rank) {
    const ZooRange own = share(rank);
    std::int64_t at = own.first;
    const std::vector<ZooRange> begun = all;
    for (const ZooRange& range : begun) {
      if (range.end <= at || range.first >= own.end) continue;
      if (range.first > at) all.push_back({at, range.first});
      at = range.end;
    }
    if (at < own.end) all.push_back({at, own.end});
  }
  std::ranges::sort(all, {}, &ZooRange::first);
  return all;
}

/// A job that was killed while it cut a part left the part, and some of those that it was cut into.
void ZooPieces::tidy() const {
  for (const std::string& name : names_in(folders_.parts))
    if (name.ends_with(".replaced")) remove_part(folders_.parts / name);
  const std::vector<ZooRange> all = ranges_in(folders_.parts);
  const auto stays = [&](const ZooRange& range) {
    return fs::exists(folders_.parts / part_name(range) / table_file) ||
           fs::exists(folders_.parts / (part_name(range) + ".part") / state_file);
  };
  for (const ZooRange& range : all) {
    const auto holds = [&](const ZooRange& other) { return other != range && inside(range, other) && stays(other); };
    if (!std::ranges::any_of(all, holds)) continue;
    for (const char* suffix : {"", ".part"})
      if (const fs::path path = folders_.parts / (part_name(range) + suffix); fs::exists(path)) remove_part(path);
  }
}

/// What one process began becomes a part that has all networks.
void ZooPieces::adopt_one_process() const {
  if (!fs::exists(folders_.part / state_file)) return;
  check_same(folders_.part, description_text(description_));
  fs::rename(folders_.part, folders_.parts / (part_name(description_.range()) + ".part"));
}

/// A part that lies in the shares of several ranks, if it is not finished: the parts that it becomes. One without a
/// state is none.
std::vector<ZooRange> ZooPieces::cut(const ZooRange& part) const {
  const fs::path finished = folders_.parts / part_name(part), begun = folders_.parts / (part_name(part) + ".part");
  ZooDescription own = description_;
  own.part = part;
  const std::string text = description_text(own);
  if (fs::exists(finished / table_file)) {
    check_same(finished, text);
    return {part};
  }
  if (fs::exists(finished)) remove_part(finished);  // killed while it was removed
  if (!fs::exists(begun / state_file)) {
    // Killed after its last shard, it is finished but for its name.
    if (fs::exists(begun / table_file)) return {part};
    if (fs::exists(begun)) remove_part(begun);
    return {};
  }
  const FolderLock alone(begun);
  // What one process began says of itself that it is the whole.
  if (part == description_.range() && read_text(begun / description_file) == description_text(description_))
    write_file(begun / description_file, text);
  check_same(begun, text);
  std::vector<ZooRange> ranges;
  std::vector<fs::path> to;
  for (int rank = 0; rank < job_.size(); ++rank) {
    const ZooRange of_rank = share(rank);
    const ZooRange piece{std::max(of_rank.first, part.first), std::min(of_rank.end, part.end)};
    if (piece.networks() < 1) continue;
    ranges.push_back(piece);
    to.push_back(folders_.parts / (part_name(piece) + ".part"));
  }
  if (ranges.size() == 1) return ranges;
  cut_part(begun, own, ranges, to);
  const fs::path old = folders_.parts / (part_name(part) + ".replaced");
  rename_durably(begun, old);
  remove_folder(old);
  return ranges;
}

}  // namespace weft
