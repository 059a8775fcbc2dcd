#include <algorithm>
#include <charconv>
#include <set>

#include "weft/core/numerics.h"
#include "weft/io/atomic_file.h"
#include "weft/io/folder_lock.h"
#include "weft/zoo/store_folders.h"

namespace weft {
namespace fs = std::filesystem;
using namespace zoo_format;

struct ZooWriter::State : Folders {
  ZooDescription description;
  std::string text;  ///< of zoo.json
  std::optional<FolderLock> lock;
  std::vector<ZooRow> rows;
  std::set<std::array<std::int64_t, 2>> checkpoints;  ///< key_of()
  std::size_t shards = 0;
  bool complete = false;

  State(const fs::path& named, ZooDescription description_)
      : Folders(named), description(std::move(description_)), text(description_text(description)) {
    Folders::check();
  }

  /// Makes the folder to write in, and keeps other processes out of it.
  void open_part() {
    create_folder(part);
    lock.emplace(part);
  }

  void resume() {
    const bool begun = fs::exists(part / description_file);
    if (has_files(folder) && !begun) {
      check_same(folder, text);
      discard_replaced();  // killed while it did
      discard_parts();
      complete = true;
      return;
    }
    open_part();
    check_numerics();
    if (begun) check_same(part, text);
    if (fs::exists(part / table_file) && !fs::exists(part / state_file)) {
      publish();  // killed after its last shard, while finishing
      return;
    }
    restore_rows();
    remove_files(part, [&](const std::string& name) {
      if (name == description_file || name == images_file || name == state_file) return true;
      for (std::size_t i = 0; i < shards; ++i)
        if (name == shard_file(i)) return true;
      return false;
    });
    if (!begun) write_file(part / description_file, text);
  }

  void start() {
    open_part();
    discard_parts();
    remove_files(part, [](const std::string&) { return false; });
    write_file(part / description_file, text);
  }

  /// What training another version of the numerics began, this one cannot end.
  void check_numerics() const {
    if (!fs::exists(part / state_file)) return;
    const SafeTensors state = SafeTensors::open(part / state_file);
    const auto found = state.metadata().find(numerics_key);
    const std::string text = found == state.metadata().end() ? "1" : found->second;
    int begun_with = 0;
    const char* end = text.data() + text.size();
    if (std::from_chars(text.data(), end, begun_with).ptr != end) begun_with = 0;
    if (begun_with != numerics_version)
      throw UsageError("[zoo] {} {}", in_quotes(part.native()), other_numerics(begun_with));
  }

  /// The rows of as many shards as the state of the training knows.
  void restore_rows() {
    const fs::path path = part / state_file;
    if (!fs::exists(path)) return;
    const SafeTensors saved = SafeTensors::open(path);
    const auto expected = static_cast<std::size_t>(safe_rows(saved, path));
    while (rows.size() < expected) {
      const fs::path shard_path = part / shard_file(shards);
      if (!fs::exists(shard_path))
        fail(path, "counts {} rows, but {} is missing: replace the zoo", expected, in_quotes(shard_path.native()));
      const Shard shard = read_shard(shard_path, description);
      for (const ZooRow& row : shard.rows) {
        if (row.id != next_id(row)) fail(shard_path, "id {} where {} is due: replace the zoo", row.id, next_id(row));
        if (checkpoints.contains(key_of(description, row)))
          fail(shard_path, "network {}, {} a second time: replace the zoo", row.network, called(description, row));
        add(row);
      }
      ++shards;
    }
    if (rows.size() != expected)
      fail(path, "counts {} rows, the shards before it hold {}: replace the zoo", expected, rows.size());
  }

  /// Of the next row of the next shard, or of one so far behind it. In a part as in the whole zoo, where every shard
  /// has all networks.
  std::int64_t next_id(const ZooResult& next, std::int64_t behind = 0) const {
    return description.part ? static_cast<std::int64_t>(shards) * description.networks + next.network
                            : std::ssize(rows) + behind;
  }

  void add(const ZooRow& row) {
    rows.push_back(row);
    checkpoints.insert(key_of(description, row));
  }

  void check(std::span<const ZooResult> results, std::span<const Tensor> weights) const {
    const auto n = static_cast<std::int64_t>(results.size());
    const auto& tensors = description.space.tensors();
    if (complete) throw UsageError("[zoo] {} is complete; it takes no more rows", in_quotes(folder.native()));
    if (n == 0) throw UsageError("[zoo] no result to append; allowed: one or more");
    if (weights.size() != tensors.size())
      throw ShapeError("[zoo] {} tensors of weights; the space has {}", weights.size(), tensors.size());
    for (std::size_t t = 0; t < tensors.size(); ++t) {
      const Shape expected = stacked_shape(description.space, static_cast<int>(t), n);
      if (weights[t].shape() != expected)
        throw ShapeError("[zoo] weights '{}' have shape {}; allowed: {}, [results, taps, axes…]", tensors[t].name,
                         weights[t].shape().str(), expected.str());
      if (weights[t].dtype() != DType::f32)
        throw DtypeError("[zoo] weights '{}' are {}; allowed: float32", tensors[t].name, name(weights[t].dtype()));
      if (const std::int64_t row = first_row_not_finite(weights[t]); row >= 0) {
        const ZooResult& r = results[static_cast<std::size_t>(row)];
        throw NumericError(
            "[zoo] network {}, epoch {}: '{}' is not finite; keep a diverged network's last finite "
            "weights",
            r.network, r.epoch, tensors[t].name);
      }
    }
    std::set<std::array<std::int64_t, 2>> here;
    const ZooRange range = description.range();
    const auto all_in_order = [&] {
      std::int64_t next = range.first;
      return n == range.networks() &&
             std::ranges::all_of(results, [&](const ZooResult& r) { return r.network == next++; });
    };
    if (description.part && !all_in_order())
      throw UsageError(
          "[zoo] {} results for a part of a zoo; allowed: one of each network from {} to {}, in this order", n,
          range.first, range.end - 1);
    for (const ZooResult& r : results) {
      if (r.network < range.first || r.network >= range.end || r.epoch < 0 || r.epoch >= index_end)
        throw UsageError("[zoo] network {}, epoch {}; allowed: networks {} to {}, epochs 0 to {}", r.network, r.epoch,
                         range.first, range.end - 1, index_end - 1);
      if (r.checkpoint < 0 || r.checkpoint >= std::max<std::int64_t>(1, std::ssize(description.checkpoints)))
        throw UsageError("[zoo] network {}: checkpoint {}; the description has {}", r.network, r.checkpoint,
                         description.checkpoints.size());
      if (const std::string wrong = out_of_range(description, r); !wrong.empty())
        throw UsageError("[zoo] network {}, {}: {}", r.network, called(description, r), wrong);
      const auto key = key_of(description, r);
      if (checkpoints.contains(key) || !here.insert(key).second)
        throw UsageError("[zoo] network {}, {} a second time; allowed: once", r.network, called(description, r));
    }
  }

  /// The folder gets its name. What it replaces stays until the new one is there.
  void publish() {
    const bool replacing = has_files(folder);
    if (replacing) {
      discard_replaced();
      rename_durably(folder, replaced);
    }
    rename_durably(part, folder);
    complete = true;
    discard_replaced();
  }
};

void require_no_zoo_above(const fs::path& folder) {
  for (fs::path at = fs::absolute(folder); at.has_relative_path(); at = at.parent_path())
    if (fs::exists(at / description_file))
      throw UsageError("[zoo] {} lies in a zoo, {}, which holds nothing else; choose another folder",
                       in_quotes(folder.native()), in_quotes(at.native()));
}

void ZooWriter::check_place(const fs::path& folder, Existing existing) {
  disk_errors([&] {
    const Folders place(folder);
    place.check();
    if (existing == Existing::refuse) place.refuse_existing();
    const fs::path above = fs::weakly_canonical(fs::absolute(place.folder)).parent_path();
    require_no_zoo_above(above);
    try {
      const NewFolder probe(above);
    } catch (const Error& error) {
      throw DiskError("[zoo] {} cannot be made: {}", in_quotes(folder.native()), error.what());
    }
  });
}

ZooWriter::ZooWriter(const fs::path& folder, ZooDescription description, Existing existing) {
  disk_errors([&] {
    state_ = std::make_unique<State>(folder, std::move(description));
    if (existing == Existing::refuse) state_->refuse_existing();
    if (existing == Existing::resume)
      state_->resume();
    else
      state_->start();
  });
}

ZooWriter::ZooWriter(ZooWriter&&) noexcept = default;
ZooWriter::~ZooWriter() = default;

bool ZooWriter::complete() const { return state_->complete; }

std::int64_t ZooWriter::rows() const { return static_cast<std::int64_t>(state_->rows.size()); }

std::optional<SafeTensors> ZooWriter::state() const {
  const fs::path path = state_->part / state_file;
  if (state_->complete || !fs::exists(path)) return std::nullopt;
  return SafeTensors::open(path);
}

void ZooWriter::append(std::span<const ZooResult> results, std::span<const Tensor> weights) {
  State& s = *state_;
  s.check(results, weights);
  std::vector<ZooRow> rows;
  for (const ZooResult& result : results) rows.push_back({result, s.next_id(result, std::ssize(rows)), {}});
  write_shard(s.part / shard_file(s.shards), s.description, rows, weights);
  ++s.shards;
  for (const ZooRow& row : rows) s.add(row);
}

void ZooWriter::save_images(const Tensor& images) {
  const State& s = *state_;
  if (s.complete) throw UsageError("[zoo] {} is complete; no images to save", in_quotes(s.folder.native()));
  if (s.description.views == 0)
    throw UsageError("[zoo] images for a zoo of classifiers; describe implicit networks by their views");
  write_images(s.part / images_file, s.description, images);
}

void ZooWriter::save_state(std::span<const NamedTensor> tensors, Metadata metadata) {
  if (state_->complete) throw UsageError("[zoo] {} is complete; no state to save", in_quotes(state_->folder.native()));
  metadata[rows_key] = fmt::format("{}", state_->rows.size());
  metadata[numerics_key] = std::to_string(numerics_version);
  save_safetensors(state_->part / state_file, tensors, metadata);
}

void ZooWriter::finish() {
  State& s = *state_;
  if (s.complete) return;
  const std::int64_t sharing = networks_a_split(s.description);
  const auto splits = draw_splits(s.description.networks / sharing, s.description.seed);
  std::vector<bool> has_row(static_cast<std::size_t>(s.description.networks));
  for (ZooRow& row : s.rows) {
    row.splits = splits[static_cast<std::size_t>(row.network / sharing)];
    has_row[static_cast<std::size_t>(row.network)] = true;
  }
  const ZooRange range = s.description.range();
  const auto end = has_row.begin() + range.end;
  if (const auto missing = std::find(has_row.begin() + range.first, end, false); missing != end)
    throw UsageError("[zoo] network {} of {} has no row; append a checkpoint of every network before finish()",
                     missing - has_row.begin(), has_row.size());
  if (s.description.views > 0 && !fs::exists(s.part / images_file))
    throw UsageError("[zoo] implicit networks without images; give them to save_images() before finish()");
  write_file(s.part / table_file, table_text(s.description, s.rows));
  remove_file(s.part / state_file);  // from here on, resuming finds a complete zoo that lacks its name
  disk_errors([&] { s.publish(); });
}

}  // namespace weft
