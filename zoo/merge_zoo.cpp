#include "weft/zoo/merge_zoo.h"

#include <algorithm>
#include <cstring>

#include "weft/zoo/store_folders.h"

namespace weft {
namespace fs = std::filesystem;
using namespace zoo_format;

namespace {

struct Part {
  fs::path path;
  ZooDescription description;  ///< hyper-parameters have values of its own networks alone
  std::string hash;            ///< of all values
  ZooRange range;
  std::int64_t shards;
};

Part read_part(const fs::path& path) {
  check_complete(path);
  Part part{path, {}, {}, {}, 0};
  part.description = read_description(path / description_file, part.hash);
  if (!part.description.part)
    throw UsageError("[zoo] {} is a whole zoo; allowed: parts of one, as --part makes them", in_quotes(path.native()));
  part.range = *part.description.part;
  part.shards = std::ssize(read_table(path / table_file, part.description)) / part.range.networks();
  for (HyperParameter& h : part.description.hyper_parameters)
    h.values = {h.values.begin() + part.range.first, h.values.begin() + part.range.end};
  return part;
}

std::vector<Part> read_parts(std::span<const fs::path> paths) {
  if (paths.empty()) throw UsageError("[zoo] no part to merge; allowed: one or more");
  std::vector<Part> parts;
  for (const fs::path& path : paths) parts.push_back(read_part(path));
  const std::string first = read_text(paths.front() / description_file);
  for (const Part& part : parts) {
    const std::string difference = first_difference(first, read_text(part.path / description_file));
    // Which networks they have comes last: nothing before it differs.
    if (!difference.empty() && !difference.starts_with("/part/"))
      throw UsageError("[zoo] {} and {} are parts of different zoos: {}", in_quotes(paths.front().native()),
                       in_quotes(part.path.native()), difference);
  }
  std::ranges::sort(parts, {}, [](const Part& part) { return part.range.first; });
  return parts;
}

void check_all_there(std::span<const Part> parts, const ZooRange& wanted) {
  std::int64_t next = wanted.first;
  const Part* before = nullptr;
  for (const Part& part : parts) {
    if (part.range.first < next)
      throw UsageError("[zoo] network {} is in {} and {}; give each part once", part.range.first,
                       in_quotes(before ? before->path.native() : part.path.native()), in_quotes(part.path.native()));
    if (part.range.first > next) break;
    next = part.range.end;
    before = &part;
  }
  if (next == wanted.end) return;
  const auto after = std::ranges::find_if(parts, [&](const Part& part) { return part.range.first > next; });
  throw UsageError("[zoo] networks {} to {} of {} are in no part; give the parts that have them", next,
                   (after == parts.end() ? wanted.end : after->range.first) - 1, wanted.end);
}

void merge(std::span<const Part> parts, const fs::path& folder, const ZooDescription& description,
           ZooWriter::Existing existing, const std::function<void()>& after_shard) {
  const ZooRange all = description.range();
  check_all_there(parts, all);
  ZooWriter writer(folder, description, existing);
  if (writer.complete()) return;
  if (description.views > 0) writer.save_images(read_images(parts.front().path / images_file, description));
  std::vector<Tensor> weights;
  for (int t = 0; t < static_cast<int>(description.space.tensors().size()); ++t)
    weights.push_back(Tensor::zeros(stacked_shape(description.space, t, all.networks()), DType::f32));
  for (const Part& part : parts)
    if (part.shards != parts.front().shards)
      fail(part.path / table_file, "{} rows for each network; {} has {}", part.shards,
           in_quotes(parts.front().path.native()), parts.front().shards);
  for (std::int64_t shard = 0; shard < parts.front().shards; ++shard) {
    std::vector<ZooResult> results;
    for (const Part& part : parts) {
      const fs::path path = part.path / shard_file(static_cast<std::size_t>(shard));
      const Shard own = read_shard(path, part.description);
      if (std::ssize(own.rows) != part.range.networks())
        fail(path, "{} rows; allowed: {}, one of each network", own.rows.size(), part.range.networks());
      const std::int64_t at = part.range.first - all.first;
      for (std::size_t t = 0; t < weights.size(); ++t)
        read_rows(own, t, 0, part.range.networks(), weights[t].slice(at, at + part.range.networks()).data<float>());
      results.insert(results.end(), own.rows.begin(), own.rows.end());
    }
    writer.append(results, weights);
    if (after_shard) after_shard();
  }
  writer.finish();
}

}  // namespace

void merge_zoo(std::span<const fs::path> paths, const fs::path& folder, const ZooDescription& description,
               ZooWriter::Existing existing, const std::function<void()>& after_shard) {
  disk_errors([&] { merge(read_parts(paths), folder, description, existing, after_shard); });
}

void merge_zoo(std::span<const fs::path> paths, const fs::path& folder, ZooWriter::Existing existing) {
  disk_errors([&] {
    const std::vector<Part> parts = read_parts(paths);
    ZooDescription whole = parts.front().description;
    whole.part.reset();
    for (HyperParameter& h : whole.hyper_parameters) h.values.resize(static_cast<std::size_t>(whole.networks));
    check_all_there(parts, whole.range());
    for (const Part& part : parts)
      for (std::size_t h = 0; h < whole.hyper_parameters.size(); ++h)
        std::ranges::copy(part.description.hyper_parameters[h].values,
                          whole.hyper_parameters[h].values.begin() + part.range.first);
    if (const std::string hash = hash_of_values(whole.hyper_parameters); hash != parts.front().hash)
      throw FormatError(
          "[zoo] {}: hyper-parameters with the hash {}; the parts were written with {}: a table was changed",
          in_quotes(parts.front().path.native()), hash, parts.front().hash);
    merge(parts, folder, whole, existing, {});
  });
}

}  // namespace weft
