#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <set>

#include "weft/core/hash.h"
#include "weft/core/parallel.h"
#include "weft/io/file_kind.h"
#include "weft/zoo/store_format.h"

namespace weft::zoo_format {
namespace {

constexpr const char *schema_key = "weft.schema", *hash_column = "table.hash", *largest_column = "table.largest";

/// One number of every row, as a tensor of the shard.
template <class T, class F>
NamedTensor column(std::string_view name, std::span<const ZooRow> rows, F&& value) {
  NamedTensor result{fmt::format("table.{}", name),
                     Tensor::zeros({static_cast<std::int64_t>(rows.size())}, dtype_of<T>)};
  for (std::size_t i = 0; i < rows.size(); ++i)
    result.tensor.span<T>()[i] = static_cast<T>(std::invoke(value, rows[i]));
  return result;
}

/// The columns that stand for weights: "table.hash" and "table.largest".
std::array<NamedTensor, 2> weight_columns(std::span<const Tensor> weights, std::int64_t rows) {
  const Tensor hashes = Tensor::zeros({std::ssize(weights), rows, sizeof(std::uint64_t)}, DType::u8);
  const Tensor largest = Tensor::zeros({rows}, DType::f32);
  for (std::size_t t = 0; t < weights.size(); ++t) {
    const std::int64_t size = weights[t].numel() / rows;
    const float* data = weights[t].data<float>();
    const Tensor of_tensor = hashes[static_cast<std::int64_t>(t)];
    parallel_blocks(rows, 1 + 65536 / (size + 1), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        const std::span numbers(data + row * size, static_cast<std::size_t>(size));
        const std::uint64_t hash = row_hash(numbers);
        std::memcpy(of_tensor[row].raw(), &hash, sizeof hash);
        float& most = largest.data<float>()[row];
        most = std::max(most, largest_of(numbers));
      }
    });
  }
  return {{{hash_column, hashes}, {largest_column, largest}}};
}

/// A shard whose tensors are asked for one by one; done() finds those that nobody asked for.
class Reader {
 public:
  explicit Reader(const std::filesystem::path& path) : path_(path), file_(SafeTensors::open(path)) {}

  void metadata(const char* key, const std::string& expected) const {
    const auto found = file_.metadata().find(key);
    if (found == file_.metadata().end()) fail(path_, "no '{}' in its metadata: not a shard of a zoo", key);
    if (found->second != expected)
      fail(path_, "'{}' is {}; allowed: {}, as in {}", key, in_quotes(found->second), in_quotes(expected),
           description_file);
  }
  Tensor tensor(const std::string& name, DType dtype, const Shape& shape) {
    if (!file_.contains(name)) fail(path_, "no tensor '{}'", name);
    if (file_.dtype(name) != dtype)
      fail(path_, "tensor '{}' is {}; allowed: {}", name, weft::name(file_.dtype(name)), weft::name(dtype));
    if (file_.shape(name) != shape)
      fail(path_, "tensor '{}' has shape {}; allowed: {}", name, file_.shape(name).str(), shape.str());
    asked_.insert(name);
    return file_.tensor(name);
  }
  /// An owned copy; undefined where the file does not have it.
  Tensor optional(const std::string& name, DType dtype, const Shape& shape) {
    return file_.contains(name) ? tensor(name, dtype, shape).clone() : Tensor();
  }
  /// Of the space's tensors, whose numbers stay in the file.
  ShardRows weights(const Space& space, std::int64_t rows) {
    for (std::size_t t = 0; t < space.tensors().size(); ++t)
      tensor(space.tensors()[t].name, DType::f32, stacked_shape(space, static_cast<int>(t), rows));
    return {path_, file_, space};
  }
  std::int64_t rows() const {
    if (!file_.contains("table.id")) fail(path_, "no tensor 'table.id': not a shard of a zoo");
    const Shape& shape = file_.shape("table.id");
    if (shape.rank() != 1) fail(path_, "tensor 'table.id' has shape {}; allowed: [rows]", shape.str());
    return shape[0];
  }
  void done() const {
    for (const std::string& name : file_.names())
      if (!asked_.contains(name)) fail(path_, "tensor {} is not in the space of {}", in_quotes(name), description_file);
  }

 private:
  const std::filesystem::path& path_;
  SafeTensors file_;
  std::set<std::string> asked_;
};

}  // namespace

Shape stacked_shape(const Space& space, int t, std::int64_t rows) { return space.feature_shape(t, rows, 1); }

std::array<std::int64_t, 2> key_of(const ZooDescription& description, const ZooResult& row) {
  return {row.network, description.checkpoints.empty() ? row.epoch : row.checkpoint};
}

std::string called(const ZooDescription& description, const ZooResult& row) {
  const auto& names = description.checkpoints;
  return names.empty() ? fmt::format("epoch {}", row.epoch)
                       : fmt::format("checkpoint {}", names[static_cast<std::size_t>(row.checkpoint)]);
}

void write_shard(const std::filesystem::path& path, const ZooDescription& description, std::span<const ZooRow> rows,
                 std::span<const Tensor> weights) {
  const Space& space = description.space;
  std::vector<NamedTensor> tensors{
      column<std::int32_t>("id", rows, &ZooRow::id), column<std::int32_t>("network", rows, &ZooRow::network),
      column<std::int32_t>("epoch", rows, &ZooRow::epoch), column<std::uint8_t>("diverged", rows, &ZooRow::diverged)};
  for (const Measure& m : measures(description)) tensors.push_back(column<double>(m.name, rows, m.value));
  if (!description.checkpoints.empty())
    tensors.push_back(column<std::uint8_t>("checkpoint", rows, &ZooRow::checkpoint));
  for (NamedTensor& t : weight_columns(weights, std::ssize(rows))) tensors.push_back(std::move(t));
  for (std::size_t t = 0; t < weights.size(); ++t) tensors.push_back({space.tensors()[t].name, weights[t]});
  save_safetensors(path, tensors, {{schema_key, std::to_string(schema)}, {space_key, space.str()}});
}

Shard read_shard(const std::filesystem::path& path, const ZooDescription& description) {
  const Space& space = description.space;
  const ZooRange range = description.range();
  Reader file(path);
  file.metadata(schema_key, std::to_string(schema));
  file.metadata(space_key, space.str());
  const std::int64_t n = file.rows();
  Shard shard{.rows = std::vector<ZooRow>(static_cast<std::size_t>(n)),
              .weights = file.weights(space, n),
              .hashes = file.optional(hash_column, DType::u8, {std::ssize(space.tensors()), n, sizeof(std::uint64_t)}),
              .largest = file.optional(largest_column, DType::f32, {n})};
  const Tensor id = file.tensor("table.id", DType::i32, {n}), network = file.tensor("table.network", DType::i32, {n}),
               epoch = file.tensor("table.epoch", DType::i32, {n}),
               diverged = file.tensor("table.diverged", DType::u8, {n});
  for (const Measure& m : measures(description)) {
    const Tensor values = file.tensor(fmt::format("table.{}", m.name), DType::f64, {n});
    for (std::size_t i = 0; i < shard.rows.size(); ++i) shard.rows[i].*m.value = values.span<double>()[i];
  }
  for (std::size_t i = 0; i < shard.rows.size(); ++i) {
    ZooRow& row = shard.rows[i];
    row.id = id.span<std::int32_t>()[i];
    row.network = network.span<std::int32_t>()[i];
    row.epoch = epoch.span<std::int32_t>()[i];
    row.diverged = diverged.span<std::uint8_t>()[i] != 0;
    if (row.network < range.first || row.network >= range.end || row.epoch < 0 || row.id < 0)
      fail(path, "row {} is id {}, network {}, epoch {}; allowed: networks {} to {}, no negative number", i, row.id,
           row.network, row.epoch, range.first, range.end - 1);
    if (const std::string wrong = out_of_range(description, row); !wrong.empty())
      fail(path, "row {} (id {}) has {}", i, row.id, wrong);
  }
  if (!description.checkpoints.empty()) {
    const Tensor checkpoint = file.tensor("table.checkpoint", DType::u8, {n});
    for (std::size_t i = 0; i < shard.rows.size(); ++i) {
      shard.rows[i].checkpoint = checkpoint.span<std::uint8_t>()[i];
      if (shard.rows[i].checkpoint >= std::ssize(description.checkpoints))
        fail(path, "row {} has checkpoint {}; {} names {}", i, shard.rows[i].checkpoint, description_file,
             description.checkpoints.size());
    }
  }
  file.done();
  return shard;
}

void read_rows(const Shard& shard, std::size_t t, std::int64_t first, std::int64_t count, float* to) {
  ShardRows::Reading(shard.weights).read(t, first, count, to);
  if (!shard.hashes.defined()) return;
  const std::int64_t size = shard.weights.size(t);
  for (std::int64_t row = 0; row < count; ++row)
    if (row_hash({to + row * size, static_cast<std::size_t>(size)}) != written_hash(shard, t, first + row))
      fail(shard.weights.path(), "the weights of id {} were changed: their hash is another",
           shard.rows[static_cast<std::size_t>(first + row)].id);
}

std::uint64_t written_hash(const Shard& shard, std::size_t t, std::int64_t row) {
  std::uint64_t written = 0;
  std::memcpy(&written, shard.hashes[static_cast<std::int64_t>(t)][row].raw(), sizeof written);
  return written;
}

std::uint64_t row_hash(std::span<const float> numbers) { return Hash().add(std::as_bytes(numbers)).value(); }

float largest_of(std::span<const float> numbers) {
  float most = 0;
  for (const float x : numbers) most = std::max(most, std::abs(x));
  return most;
}

bool all_finite(std::span<const float> numbers) {
  std::uint32_t bad = 0;
  for (const float x : numbers) bad |= (std::bit_cast<std::uint32_t>(x) & 0x7f800000u) == 0x7f800000u;
  return !bad;
}

std::int64_t first_row_not_finite(const Tensor& stacked) {
  const std::int64_t rows = stacked.dim(0), size = rows ? stacked.numel() / rows : 0;
  const float* data = stacked.data<float>();
  std::atomic<std::int64_t> first{rows};
  parallel_blocks(rows, 1 + 65536 / (size + 1), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      if (all_finite({data + row * size, static_cast<std::size_t>(size)})) continue;
      std::int64_t seen = first;
      while (row < seen && !first.compare_exchange_weak(seen, row)) {}
      return;
    }
  });
  return first == rows ? -1 : first.load();
}

}  // namespace weft::zoo_format
