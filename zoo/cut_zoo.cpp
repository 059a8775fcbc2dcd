#include "weft/zoo/cut_zoo.h"

#include "weft/zoo/store_folders.h"

namespace weft::zoo_format {
namespace fs = std::filesystem;

namespace {

Tensor rows_of(const Tensor& all, const ZooRange& from, const ZooRange& range) {
  return all.slice(range.first - from.first, range.end - from.first);
}

/// The state comes last: before, the new part counts as not begun.
void cut_one(const fs::path& from, const ZooDescription& description, const ZooRange& range, const fs::path& to) {
  const ZooRange before = description.range();
  ZooDescription own = description;
  own.part = range;
  create_folder(to);
  remove_files(to, [](const std::string&) { return false; });
  const SafeTensors state = SafeTensors::open(from / state_file);
  const std::int64_t safe = safe_rows(state, from / state_file);
  for (std::int64_t shard = 0; shard < safe / before.networks(); ++shard) {
    const std::string name = shard_file(static_cast<std::size_t>(shard));
    const Shard whole = read_shard(from / name, description);
    if (std::ssize(whole.rows) != before.networks())
      fail(from / name, "{} rows; allowed: {}, one of each network", whole.rows.size(), before.networks());
    std::vector<Tensor> weights;
    for (int t = 0; t < static_cast<int>(own.space.tensors().size()); ++t) {
      weights.push_back(Tensor::zeros(stacked_shape(own.space, t, range.networks()), DType::f32));
      read_rows(whole, static_cast<std::size_t>(t), range.first - before.first, range.networks(),
                weights.back().data<float>());
    }
    write_shard(
        to / name, own,
        std::span(whole.rows)
            .subspan(static_cast<std::size_t>(range.first - before.first), static_cast<std::size_t>(range.networks())),
        weights);
  }
  if (fs::exists(from / images_file)) write_images(to / images_file, own, read_images(from / images_file, own));
  write_file(to / description_file, description_text(own));
  std::vector<NamedTensor> tensors;
  for (const std::string& name : state.names()) {
    const Tensor t = state.tensor(name);
    const bool of_networks = t.rank() > 0 && t.dim(0) == before.networks();
    tensors.push_back({name, of_networks ? rows_of(t, before, range) : t});
  }
  Metadata metadata = state.metadata();
  metadata[rows_key] = std::to_string(safe / before.networks() * range.networks());
  save_safetensors(to / state_file, tensors, metadata);
}

}  // namespace

void cut_part(const fs::path& from, const ZooDescription& description, std::span<const ZooRange> ranges,
              std::span<const fs::path> to) {
  for (std::size_t i = 0; i < ranges.size(); ++i) cut_one(from, description, ranges[i], to[i]);
}

}  // namespace weft::zoo_format
