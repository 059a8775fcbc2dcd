#include <algorithm>
#include <charconv>
#include <cmath>
#include <mutex>

#include "weft/core/hash.h"
#include "weft/core/parallel.h"
#include "weft/core/stop.h"
#include "weft/io/csv.h"
#include "weft/zoo/store_format.h"

namespace weft {
namespace fs = std::filesystem;
using namespace zoo_format;

namespace {

bool same(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

/// The first column in which two rows differ, or nothing.
std::string_view difference(const ZooDescription& description, const ZooRow& a, const ZooRow& b) {
  if (a.id != b.id) return "id";
  if (a.network != b.network) return "network";
  if (a.epoch != b.epoch) return "epoch";
  if (a.checkpoint != b.checkpoint) return "checkpoint";
  if (a.diverged != b.diverged) return "diverged";
  for (const Measure& m : measures(description))
    if (!same(a.*m.value, b.*m.value)) return m.name;
  return {};
}

/// Row by row: how the rows are cut into threads must not show.
void add_rows(Hash& all, const Tensor& stacked) {
  const std::int64_t n = stacked.dim(0), size = n ? static_cast<std::int64_t>(stacked.bytes()) / n : 0;
  const auto* bytes = static_cast<const std::byte*>(stacked.raw());
  std::vector<std::uint64_t> of_rows(static_cast<std::size_t>(n));
  parallel_blocks(n, 1 + (1 << 18) / (size + 1), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      of_rows[static_cast<std::size_t>(i)] =
          Hash().add(std::span(bytes + i * size, static_cast<std::size_t>(size))).value();
  });
  all.add(std::as_bytes(std::span(of_rows)));
}

/// f(row, numbers) for every row of a tensor of a shard, on several threads; no more than a piece a thread is held.
template <class F>
void each_row(const Shard& shard, std::size_t t, const F& f) {
  const std::int64_t size = shard.weights.size(t);
  parallel_blocks(std::ssize(shard.rows), 1 + (1 << 18) / (size + 1), [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> numbers(static_cast<std::size_t>((end - begin) * size));
    ShardRows::Reading(shard.weights).read(t, begin, end - begin, numbers.data());
    for (std::int64_t row = begin; row < end; ++row)
      f(row, std::span<const float>(numbers.data() + (row - begin) * size, static_cast<std::size_t>(size)));
  });
}

std::string in_hex(std::uint64_t hash) { return fmt::format("{:016x}", hash); }

}  // namespace

void zoo_format::check_complete(const fs::path& folder) {
  if (fs::exists(folder / table_file)) return;
  const fs::path parts = beside(folder, ".parts");
  for (const fs::path& unfinished : {folder, beside(folder, ".part"), parts})
    if (fs::exists(unfinished == parts ? parts : unfinished / description_file))
      throw ReadError("[zoo] {} is not finished; resume the run that writes it", in_quotes(unfinished.native()));
  throw ReadError("[zoo] {}: no {} and {}: not a zoo", in_quotes(folder.native()), description_file, table_file);
}

struct Zoo::Contents {
  ZooDescription description;
  std::vector<ZooRow> rows;
  std::vector<Shard> shards;
  Tensor images;  ///< of implicit networks
  struct Place {
    std::int64_t id;
    std::size_t row;    ///< in rows
    std::size_t shard;  ///< and in which of them
    std::int64_t row_of_shard;
  };
  std::vector<Place> places;  ///< in the order of ids

  const Place& place(std::int64_t id) const {
    const auto found = std::ranges::lower_bound(places, id, {}, &Place::id);
    if (found != places.end() && found->id == id) return *found;
    throw UsageError("[zoo] no id {}; the zoo has {} rows, with ids from {} to {}", id, rows.size(), places.front().id,
                     places.back().id);
  }

  mutable std::once_flag hashed;
  mutable std::string hash;

  std::string find_hash() const {
    Hash all;
    all.add(description_text(description));
    for (const ZooRow& row : rows) {
      all.add(fmt::format("{} {} {} {}", row.network, row.epoch, row.checkpoint, row.diverged));
      for (const Measure& m : measures(description)) all.add(" " + number_text(row.*m.value));
      for (const ZooPart split : row.splits) all.add(name(split));
    }
    for (const Shard& shard : shards)
      for (std::size_t t = 0; t < description.space.tensors().size(); ++t) {
        if (shard.hashes.defined()) {
          all.add(std::as_bytes(shard.hashes[static_cast<std::int64_t>(t)].span<std::uint8_t>()));
          continue;
        }
        std::vector<std::uint64_t> of_rows(shard.rows.size());
        each_row(shard, t, [&](std::int64_t row, std::span<const float> numbers) {
          of_rows[static_cast<std::size_t>(row)] = row_hash(numbers);
        });
        all.add(std::as_bytes(std::span(of_rows)));
      }
    if (images.defined()) {
      all.add(images.shape().str());
      add_rows(all, images);
    }
    return in_hex(all.value());
  }

  /// The shards one after the other must have the rows of the table.
  void read_shards(const fs::path& folder) {
    const fs::path table = folder / table_file;
    std::size_t at = 0;
    places.reserve(rows.size());
    while (fs::exists(folder / shard_file(shards.size()))) {
      stop_point();
      const fs::path path = folder / shard_file(shards.size());
      shards.push_back(read_shard(path, description));
      for (std::size_t i = 0; i < shards.back().rows.size(); ++i, ++at) {
        if (at == rows.size())
          fail(path, "row {} is beyond the {} rows of {}", i, rows.size(), in_quotes(table.native()));
        if (const auto column = difference(description, rows[at], shards.back().rows[i]); !column.empty())
          fail(table, "row {} (id {}) has another {} than row {} of {}: the table does not belong to the shards", at,
               rows[at].id, column, i, in_quotes(path.native()));
        places.push_back({rows[at].id, at, shards.size() - 1, static_cast<std::int64_t>(i)});
      }
    }
    if (at < rows.size())
      throw ReadError("[zoo] {}: missing; {} has {} rows, the shards before it {}",
                      in_quotes((folder / shard_file(shards.size())).native()), in_quotes(table.native()), rows.size(),
                      at);
    std::ranges::sort(places, {}, &Place::id);
  }

  /// "'W1' of id 5", for messages.
  std::string called(const Shard& shard, std::size_t t, std::int64_t row) const {
    return fmt::format("'{}' of id {}", description.space.tensors()[t].name,
                       shard.rows[static_cast<std::size_t>(row)].id);
  }

  void check_finite(const Shard& shard, std::size_t t, std::int64_t row, std::span<const float> numbers) const {
    if (!all_finite(numbers))
      throw NumericError("[zoo] {}: {} is not finite", in_quotes(shard.weights.path().native()), called(shard, t, row));
  }

  void check(const Shard& shard) const {
    const fs::path& path = shard.weights.path();
    std::vector<float> largest(shard.rows.size());
    for (std::size_t t = 0; t < description.space.tensors().size(); ++t)
      each_row(shard, t, [&](std::int64_t row, std::span<const float> numbers) {
        check_finite(shard, t, row, numbers);
        float& most = largest[static_cast<std::size_t>(row)];
        most = std::max(most, largest_of(numbers));
        if (!shard.hashes.defined()) return;
        const std::uint64_t written = written_hash(shard, t, row);
        if (const std::uint64_t hash = row_hash(numbers); hash != written)
          fail(path, "{} has the hash {}; it was written with {}: the weights were changed", called(shard, t, row),
               in_hex(hash), in_hex(written));
      });
    for (std::size_t row = 0; row < largest.size() && shard.largest.defined(); ++row)
      if (const float written = shard.largest.span<float>()[row]; written != largest[row])
        fail(path, "the largest weight of id {} is {}; 'table.largest' has {}", shard.rows[row].id, largest[row],
             written);
  }
};

Zoo Zoo::open(const fs::path& folder) {
  disk_errors([&] { check_complete(folder); });
  auto contents = std::make_shared<Contents>();
  std::string values_hash;
  contents->description = read_description(folder / description_file, values_hash);
  if (const auto& part = contents->description.part)
    throw UsageError("[zoo] {} is a part of a zoo, networks {} to {} of {}; join its parts with weft zoo merge",
                     in_quotes(folder.native()), part->first, part->end - 1, contents->description.networks);
  contents->rows = read_table(folder / table_file, contents->description);
  if (const auto hash = hash_of_values(contents->description.hyper_parameters); hash != values_hash)
    fail(folder / table_file, "hyper-parameters with the hash {}; {} was written with {}: the table was changed", hash,
         description_file, values_hash);
  disk_errors([&] { contents->read_shards(folder); });
  if (contents->description.views > 0) contents->images = read_images(folder / images_file, contents->description);
  return Zoo(std::move(contents));
}

const ZooDescription& Zoo::description() const { return contents_->description; }

const std::string& Zoo::hash() const {
  std::call_once(contents_->hashed, [&] { contents_->hash = contents_->find_hash(); });
  return contents_->hash;
}

void Zoo::check() const {
  for (const Shard& shard : contents_->shards) contents_->check(shard);
}

float Zoo::largest_weight(std::int64_t id) const {
  const Contents::Place& place = contents_->place(id);
  const Tensor& largest = contents_->shards[place.shard].largest;
  if (largest.defined()) return largest.span<float>()[static_cast<std::size_t>(place.row_of_shard)];
  float most = 0;
  for (const Tensor& t : weights({&id, 1})) most = std::max(most, largest_of(t.span<float>()));
  return most;
}

const std::vector<ZooRow>& Zoo::rows() const { return contents_->rows; }

const ZooRow& Zoo::row(std::int64_t id) const { return rows()[contents_->place(id).row]; }

std::vector<std::int64_t> Zoo::ids(int split, ZooPart part) const {
  if (split < 0 || split >= static_cast<int>(ZooSplits{}.size()))
    throw UsageError("[zoo] split {}; allowed: 0 to {}", split, ZooSplits{}.size() - 1);
  std::vector<std::int64_t> result;
  for (const ZooRow& row : rows())
    if (row.splits[static_cast<std::size_t>(split)] == part) result.push_back(row.id);
  return result;
}

const Tensor& Zoo::images() const {
  if (!contents_->images.defined()) throw UsageError("[zoo] no images: its networks are classifiers");
  return contents_->images;
}

std::int64_t Zoo::image_of(const ZooRow& row) const {
  images();
  return row.network / description().views;
}

void Zoo::gather(std::span<const std::int64_t> ids, std::span<const Tensor> into) const {
  const auto& tensors = space().tensors();
  const auto n = static_cast<std::int64_t>(ids.size());
  if (into.size() != tensors.size())
    throw ShapeError("[zoo] {} tensors to gather into; the space has {}", into.size(), tensors.size());
  for (std::size_t t = 0; t < tensors.size(); ++t)
    if (const Shape expected = stacked_shape(space(), static_cast<int>(t), n); into[t].shape() != expected)
      throw ShapeError("[zoo] '{}' gathered into shape {}; allowed: {}", tensors[t].name, into[t].shape().str(),
                       expected.str());
  for (std::int64_t id : ids) contents_->place(id);  // an unknown one is refused before anything is written
  const auto place = [&](std::int64_t i) -> const Contents::Place& {
    return contents_->place(ids[static_cast<std::size_t>(i)]);
  };
  // A mini-batch is too small for threads.
  parallel_blocks(n, 1 + (1 << 18) / (space().parameters() + 1), [&](std::int64_t begin, std::int64_t end) {
    std::optional<ShardRows::Reading> reading;
    const Shard* shard = nullptr;
    for (std::int64_t i = begin, count = 1; i < end; i += count, count = 1) {
      const Contents::Place first = place(i);
      if (const Shard* its = &contents_->shards[first.shard]; its != shard) reading.emplace((shard = its)->weights);
      // Rows that are neighbours are read at once.
      while (i + count < end && place(i + count).shard == first.shard &&
             place(i + count).row_of_shard == first.row_of_shard + count)
        ++count;
      for (std::size_t t = 0; t < tensors.size(); ++t) {
        const std::int64_t size = shard->weights.size(t);
        float* out = into[t].data<float>() + i * size;
        reading->read(t, first.row_of_shard, count, out);
        for (std::int64_t row = 0; row < count; ++row)
          contents_->check_finite(*shard, t, first.row_of_shard + row,
                                  {out + row * size, static_cast<std::size_t>(size)});
      }
    }
  });
}

void Zoo::prefetch(std::span<const std::int64_t> ids) const {
  for (std::size_t i = 0, end; i < ids.size(); i = end) {
    const Contents::Place& first = contents_->place(ids[i]);
    std::int64_t last = first.row_of_shard;
    for (end = i + 1; end < ids.size(); ++end) {
      const Contents::Place& next = contents_->place(ids[end]);
      if (next.shard != first.shard || next.row_of_shard < last) break;
      last = next.row_of_shard;
    }
    ShardRows::Reading(contents_->shards[first.shard].weights)
        .prefetch(first.row_of_shard, last + 1 - first.row_of_shard);
  }
}

Tensor Zoo::column(std::span<const std::int64_t> ids, std::string_view name) const {
  const auto measured = measures(description());
  const auto measure = std::ranges::find(measured, name, &Measure::name);
  const auto& parameters = description().hyper_parameters;
  const auto parameter = std::ranges::find(parameters, name, &HyperParameter::name);
  const auto number = [&](const ZooRow& row) -> double {
    if (measure != measured.end()) return row.*measure->value;
    if (name == "epoch") return static_cast<double>(row.epoch);
    if (parameter == parameters.end()) {
      std::string names = "epoch";
      for (const Measure& m : measured) names += fmt::format(", {}", m.name);
      for (const HyperParameter& p : parameters) names += ", " + p.name;
      throw UsageError("[zoo] no column '{}'; allowed: {}", name, names);
    }
    const std::string& text = parameter->values[static_cast<std::size_t>(row.network)];
    double value = std::numeric_limits<double>::quiet_NaN();
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
  };
  const Tensor values = Tensor::zeros({static_cast<std::int64_t>(ids.size())}, DType::f32);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const double value = number(row(ids[i]));
    if (!std::isfinite(value))
      throw UsageError("[zoo] column '{}' of id {} is no number; allowed: columns of numbers", name, ids[i]);
    values.data<float>()[i] = static_cast<float>(value);
  }
  return values;
}

std::vector<Tensor> Zoo::weights(std::span<const std::int64_t> ids) const {
  std::vector<Tensor> result;
  for (std::size_t t = 0; t < space().tensors().size(); ++t)
    result.push_back(
        Tensor::zeros(stacked_shape(space(), static_cast<int>(t), static_cast<std::int64_t>(ids.size())), DType::f32));
  gather(ids, result);
  return result;
}

}  // namespace weft
