#include "weft/zoo/zoo_pieces.h"

#include <algorithm>
#include <sstream>

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

ZooRange share_of(const ZooRange& all, int rank, int size) {
  const auto [first, end] = share_of(all.networks(), rank, size);
  return {all.first + first, all.first + end};
}

bool ZooPieces::begun(const fs::path& folder) { return fs::exists(Folders(folder).parts); }

ZooPieces::ZooPieces(const fs::path& folder, ZooDescription description, ZooWriter::Existing existing, Ranks& job)
    : job_(job), folders_(folder), description_(std::move(description)) {
  std::string told;
  if (job_.first()) {
    disk_errors([&] { told = text_of(prepare(existing)); });
    if (complete_) told = "complete";
  }
  told = job_.broadcast(told);
  complete_ = told == "complete";
  if (complete_) return;
  all_ = ranges_of(told);
  const ZooRange share = share_of(description_.range(), job_.rank(), job_.size());
  for (const ZooRange& range : all_)
    if (share.first <= range.first && range.first < share.end) {
      own_.push_back(description_);
      own_.back().part = range;
    }
}

fs::path ZooPieces::path(const ZooDescription& part) const { return folders_.parts / part_name(part.range()); }

void ZooPieces::join(const std::function<void()>& after_shard) {
  std::vector<fs::path> paths;
  for (const ZooRange& range : all_) paths.push_back(folders_.parts / part_name(range));
  // What must not be replaced was refused before the parts were made.
  merge_zoo(paths, folders_.folder, description_, ZooWriter::Existing::replace, after_shard);
}

std::vector<ZooRange> ZooPieces::prepare(ZooWriter::Existing existing) {
  using Existing = ZooWriter::Existing;
  if (existing == Existing::refuse) folders_.refuse_existing();
  if (existing == Existing::replace) folders_.discard_parts();
  if (existing == Existing::resume && !has_files(folders_.parts) &&
      (has_files(folders_.folder) || fs::exists(folders_.part / table_file)) &&
      !fs::exists(folders_.part / state_file)) {
    complete_ = ZooWriter(folders_.folder, description_, existing).complete();
    return {};
  }
  create_folder(folders_.parts);
  lock_.emplace(folders_.parts);
  tidy();
  if (existing == Existing::resume) adopt_one_process();
  std::vector<ZooRange> all;
  for (const ZooRange& range : ranges_in(folders_.parts)) {
    const std::vector<ZooRange> now = cut(range);
    all.insert(all.end(), now.begin(), now.end());
  }
  // What nobody has begun.
  for (int rank = 0; rank < job_.size(); ++rank) {
    const ZooRange share = share_of(description_.range(), rank, job_.size());
    std::int64_t at = share.first;
    const std::vector<ZooRange> begun = all;
    for (const ZooRange& range : begun) {
      if (range.end <= at || range.first >= share.end) continue;
      if (range.first > at) all.push_back({at, range.first});
      at = range.end;
    }
    if (at < share.end) all.push_back({at, share.end});
  }
  std::ranges::sort(all, {}, &ZooRange::first);
  return all;
}

/// A job that was killed while it cut a part left the part, and some of those that it was cut into.
void ZooPieces::tidy() const {
  for (const std::string& name : names_in(folders_.parts))
    if (name.ends_with(".replaced")) remove_folder(folders_.parts / name);
  const std::vector<ZooRange> all = ranges_in(folders_.parts);
  for (const ZooRange& range : all)
    if (std::ranges::any_of(all, [&](const ZooRange& other) { return other != range && inside(range, other); }))
      for (const fs::path& path : {folders_.parts / part_name(range), folders_.parts / (part_name(range) + ".part")})
        if (fs::exists(path)) remove_folder(path);
}

/// What one process began becomes a part that has all networks.
void ZooPieces::adopt_one_process() const {
  if (!fs::exists(folders_.part / state_file)) return;
  const FolderLock alone(folders_.part);
  check_same(folders_.part, description_text(description_));
  ZooDescription own = description_;
  own.part = own.range();
  fs::rename(folders_.part, folders_.parts / (part_name(*own.part) + ".part"));
}

/// A part that lies in the shares of several ranks, if it is not finished: the parts that it becomes. One without a
/// state is none.
std::vector<ZooRange> ZooPieces::cut(const ZooRange& part) const {
  const fs::path finished = folders_.parts / part_name(part), begun = folders_.parts / (part_name(part) + ".part");
  ZooDescription own = description_;
  own.part = part;
  const std::string text = description_text(own);
  if (has_files(finished)) {
    check_same(finished, text);
    return {part};
  }
  if (!fs::exists(begun / state_file)) {
    // Killed after its last shard, it is finished but for its name.
    if (fs::exists(begun / table_file)) return {part};
    if (fs::exists(begun)) remove_folder(begun);
    return {};
  }
  // What one process began says of itself that it is the whole.
  if (part == description_.range() && read_text(begun / description_file) == description_text(description_))
    write_file(begun / description_file, text);
  check_same(begun, text);
  std::vector<ZooRange> ranges;
  std::vector<fs::path> to;
  for (int rank = 0; rank < job_.size(); ++rank) {
    const ZooRange share = share_of(description_.range(), rank, job_.size());
    const ZooRange piece{std::max(share.first, part.first), std::min(share.end, part.end)};
    if (piece.networks() < 1) continue;
    ranges.push_back(piece);
    to.push_back(folders_.parts / (part_name(piece) + ".part"));
  }
  if (ranges.size() == 1) return ranges;
  cut_part(begun, own, ranges, to);
  const fs::path old = folders_.parts / (part_name(part) + ".replaced");
  fs::rename(begun, old);
  remove_folder(old);
  return ranges;
}

}  // namespace weft
