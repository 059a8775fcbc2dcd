#pragma once
// The files of a zoo (store.h), each written and read by one pair of functions: what the writer and the reader share.

#include <algorithm>

#include "weft/core/error.h"
#include "weft/io/text.h"
#include "weft/zoo/store.h"
#include "weft/zoo/store_rows.h"

namespace weft::zoo_format {

inline constexpr int schema = 1;
/// Ids, networks and epochs are int32 in the shards.
inline constexpr std::int64_t index_end = std::int64_t{1} << 31;
inline constexpr const char* description_file = "zoo.json";
inline constexpr const char* table_file = "table.csv";
inline constexpr const char* images_file = "images.safetensors";
inline constexpr const char* state_file = "state.safetensors";
inline std::string shard_file(std::size_t shard) { return fmt::format("weights-{:05}.safetensors", shard); }
/// `folder` under another name beside it: "zoo" or "zoo/" -> "zoo.part".
inline std::filesystem::path beside(const std::filesystem::path& folder, const char* suffix) {
  std::filesystem::path result = folder.has_filename() ? folder : folder.parent_path();
  return result += suffix;
}

template <class... Args>
[[noreturn]] void fail(const std::filesystem::path& file, fmt::format_string<Args...> message, Args&&... args) {
  throw FormatError("[zoo] {}: {}", in_quotes(file.native()), fmt::format(message, std::forward<Args>(args)...));
}

/// Throws ReadError for a folder that holds no zoo, and no part of one, or an unfinished one.
void check_complete(const std::filesystem::path& folder);

/// f(), where what the standard library throws about files and folders becomes a DiskError.
template <class F>
void disk_errors(F&& f) {
  try {
    f();
  } catch (const std::filesystem::filesystem_error& error) {
    throw DiskError("[zoo] {}", error.what());
  }
}

/// How many networks, one behind the other, share their splits: the views of an image, or one classifier.
inline std::int64_t networks_a_split(const ZooDescription& description) {
  return std::max<std::int64_t>(description.views, 1);
}

/// A number that is measured on every checkpoint: a column of the table, and a tensor of the shards.
struct Measure {
  std::string_view name, meaning;
  double ZooResult::*value;
  double lowest, highest;
  bool may_be_nan;
  const char* allowed;  ///< for messages
};
/// Of classifiers, or of implicit networks.
std::span<const Measure> measures(const ZooDescription& description);
/// "accuracy 1.5; allowed: 0 to 1": the first measure of a row that is out of its range; empty where none is.
std::string out_of_range(const ZooDescription& description, const ZooResult& row);

struct Column {
  std::string name, meaning;
};
/// Of the table: those of every zoo, then one per hyper-parameter.
std::vector<Column> columns(const ZooDescription& description);

// zoo.json: the description without the values of hyper-parameters, which the table has; their hash stands for them.

/// Throws UsageError for a description that contradicts itself.
std::string description_text(const ZooDescription& description);
/// The hyper-parameters have no values yet; `values_hash` is what hash_of_values() must give.
ZooDescription read_description(const std::filesystem::path& path, std::string& values_hash);
std::string hash_of_values(const std::vector<HyperParameter>& hyper_parameters);
/// "/seed is 1 there and 2 here": where two texts of descriptions differ first; empty when they do not.
std::string first_difference(const std::string& there, const std::string& here);

// table.csv

std::string table_text(const ZooDescription& description, std::span<const ZooRow> rows);
/// Fills in the values of the hyper-parameters.
std::vector<ZooRow> read_table(const std::filesystem::path& path, ZooDescription& description);

// Shards. The results stand in them too, as tensors "table.<column>": a shard can be used, and a table restored,
// without any other file. So do two columns that the table lacks, which stand for weights where these are not read;
// older zoos have neither.

struct Shard {
  std::vector<ZooRow> rows;  ///< without splits
  ShardRows weights;
  Tensor hashes;   ///< "table.hash", uint8 [tensors, rows, 8]: row_hash(), its lowest byte first; or undefined
  Tensor largest;  ///< "table.largest", float32 [rows]: of each row the largest absolute weight; or undefined
};
/// Of the numbers of one row of one tensor.
std::uint64_t row_hash(std::span<const float> numbers);
/// The one of a row of tensor t when it was written, of a shard that has them.
std::uint64_t written_hash(const Shard& shard, std::size_t t, std::int64_t row);
/// Rows [first, first + count) of tensor t. Throws FormatError where they are not those that were written, ReadError.
void read_rows(const Shard& shard, std::size_t t, std::int64_t first, std::int64_t count, float* to);
float largest_of(std::span<const float> numbers);
void write_shard(const std::filesystem::path& path, const ZooDescription& description, std::span<const ZooRow> rows,
                 std::span<const Tensor> weights);
/// Reads no weights.
Shard read_shard(const std::filesystem::path& path, const ZooDescription& description);

// images.safetensors

/// Throws ShapeError, DtypeError.
void write_images(const std::filesystem::path& path, const ZooDescription& description, const Tensor& images);
/// A view into the file.
Tensor read_images(const std::filesystem::path& path, const ZooDescription& description);

/// What two rows must not share: the network, and its epoch or checkpoint.
std::array<std::int64_t, 2> key_of(const ZooDescription& description, const ZooResult& row);
/// "epoch 3", "checkpoint best"
std::string called(const ZooDescription& description, const ZooResult& row);

/// The shape of tensor `t` stacked over rows.
Shape stacked_shape(const Space& space, int t, std::int64_t rows);
bool all_finite(std::span<const float> numbers);
/// The first row of [rows, …] that holds a NaN or infinity, or -1.
std::int64_t first_row_not_finite(const Tensor& stacked);

}  // namespace weft::zoo_format
