#pragma once
// The files of a zoo (store.h), each written and read by one pair of functions: what the writer and the reader share.

#include "weft/core/error.h"
#include "weft/io/text.h"
#include "weft/zoo/store.h"

namespace weft::zoo_format {

inline constexpr int schema = 1;
/// Ids, networks and epochs are int32 in the shards.
inline constexpr std::int64_t index_end = std::int64_t{1} << 31;
inline constexpr const char* description_file = "zoo.json";
inline constexpr const char* table_file = "table.csv";
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

/// f(), where what the standard library throws about files and folders becomes a DiskError.
template <class F>
void disk_errors(F&& f) {
  try {
    f();
  } catch (const std::filesystem::filesystem_error& error) {
    throw DiskError("[zoo] {}", error.what());
  }
}

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
// without any other file.

struct Shard {
  std::vector<ZooRow> rows;     ///< without splits
  std::vector<Tensor> weights;  ///< views into the file
};
void write_shard(const std::filesystem::path& path, const ZooDescription& description, std::span<const ZooRow> rows,
                 std::span<const Tensor> weights);
Shard read_shard(const std::filesystem::path& path, const ZooDescription& description);

/// What two rows must not share: the network, and its epoch or checkpoint.
std::array<std::int64_t, 2> key_of(const ZooDescription& description, const ZooResult& row);
/// "epoch 3", "checkpoint best"
std::string called(const ZooDescription& description, const ZooResult& row);

/// "accuracy 1.5": the first share of a row that is none, between 0 and 1; empty where all are. A training accuracy may
/// be NaN, which says that nobody measured it.
std::string no_share(const ZooResult& row);
inline constexpr const char* allowed_shares = "0 to 1";

/// The shape of tensor `t` stacked over rows.
Shape stacked_shape(const Space& space, int t, std::int64_t rows);
/// The first row of [rows, …] that holds a NaN or infinity, or -1.
std::int64_t first_row_not_finite(const Tensor& stacked);

}  // namespace weft::zoo_format
