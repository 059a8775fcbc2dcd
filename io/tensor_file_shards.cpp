#include <algorithm>
#include <iterator>
#include <set>

#include "weft/core/error.h"
#include "weft/io/json.h"
#include "weft/io/mapped_file.h"
#include "weft/io/tensor_file_contents.h"
#include "weft/io/text.h"

namespace weft {
namespace {

/// The shards that an index names, each with its tensors: {"weight_map": {"tensor": "file", …}}.
std::map<std::string, std::vector<std::string>> shards_of(std::string_view text, std::string_view file) {
  const auto fail = [&](const std::string& what) { throw FormatError("[shards] {}: {}", in_quotes(file), what); };
  Json json;
  try {
    json = Json::parse(text);
  } catch (const FormatError& error) {
    fail(fmt::format("it begins as JSON, but is none: {}", error.what()));
  }
  const Json* map = json.find("weight_map");
  if (!map || !map->object())
    fail(
        "a JSON text without \"weight_map\"; allowed: the index of a sharded checkpoint, as "
        "model.safetensors.index.json");
  std::map<std::string, std::vector<std::string>> shards;
  for (const auto& [tensor, shard] : *map->object()) {
    const std::string* name = shard.text();
    if (!name) fail(fmt::format("the file of tensor {} is no text", in_quotes(tensor)));
    if (name->empty() || *name == "." || *name == ".." ||
        name->find_first_of(std::string_view("/\\\0", 3)) != name->npos)
      fail(fmt::format("tensor {} is said to lie in {}; allowed: names of files in the same folder", in_quotes(tensor),
                       in_quotes(*name)));
    shards[*name].push_back(tensor);
  }
  if (shards.empty()) fail("its \"weight_map\" names no tensor");
  return shards;
}

}  // namespace

void read_shards(const std::filesystem::path& index, std::string_view text, TensorFileContents& contents) {
  for (const auto& [name, tensors] : shards_of(text, contents.file)) {
    const std::filesystem::path path = index.parent_path() / name;
    const auto mapped = std::make_shared<const MappedFile>(path);
    TensorFileContents shard;
    shard.file = path.native();
    read_tensor_file(mapped->bytes(), shard);
    for (const std::string& tensor : tensors)
      if (!shard.index.contains(tensor))
        throw FormatError("[shards] {}: tensor {} should lie in {}, which has no such tensor", in_quotes(contents.file),
                          in_quotes(tensor), in_quotes(name));
    if (shard.tensors.size() != tensors.size()) {
      const std::set<std::string_view> expected(tensors.begin(), tensors.end());
      for (const FileTensor& tensor : shard.tensors)
        if (!expected.contains(tensor.name))
          throw FormatError("[shards] {}: {} has tensor {}, of which the index knows nothing", in_quotes(contents.file),
                            in_quotes(name), in_quotes(tensor.name));
    }
    contents.format = shard.format;
    const std::size_t storages = contents.storages.size();
    std::move(shard.storages.begin(), shard.storages.end(), std::back_inserter(contents.storages));
    for (FileTensor& tensor : shard.tensors) {
      tensor.storage += storages;
      contents.add(std::move(tensor));
    }
    std::move(shard.records.begin(), shard.records.end(), std::back_inserter(contents.records));
    std::move(shard.owners.begin(), shard.owners.end(), std::back_inserter(contents.owners));
    contents.owners.push_back(mapped);
    contents.metadata.merge(shard.metadata);
  }
}

}  // namespace weft
