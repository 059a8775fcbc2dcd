#include <algorithm>
#include <numeric>
#include <set>

#include "weft/core/error.h"
#include "weft/io/atomic_file.h"
#include "weft/io/safetensors.h"
#include "weft/io/text.h"

namespace weft {
namespace {

struct Plan {
  std::string header;
  std::vector<std::size_t> order;  ///< tensors in the order of their data
};

Plan plan(std::span<const NamedTensor> tensors, const Metadata& metadata) {
  std::set<std::string_view> seen;
  for (const auto& [name, tensor] : tensors) {
    if (name.empty() || name == SafeTensorsHeader::metadata_key)
      throw UsageError("[safetensors] a tensor named {}; allowed: any other text", in_quotes(name));
    if (!seen.insert(name).second) throw UsageError("[safetensors] two tensors are named {}", in_quotes(name));
    if (!tensor.defined()) throw UsageError("[safetensors] tensor {} is undefined", in_quotes(name));
  }
  std::vector<std::size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return size_of(tensors[a].tensor.dtype()) > size_of(tensors[b].tensor.dtype());
  });
  std::vector<SafeTensorsEntry> entries(tensors.size());
  std::size_t offset = 0;
  for (std::size_t i : order) {
    const auto& [name, tensor] = tensors[i];
    entries[i] = {name, tensor.dtype(), tensor.shape(), offset, offset + tensor.bytes()};
    offset += tensor.bytes();
  }
  return {SafeTensorsHeader::format(entries, metadata), std::move(order)};
}

std::span<const std::byte> bytes_of(const Tensor& tensor) {
  return {static_cast<const std::byte*>(tensor.raw()), tensor.bytes()};
}

}  // namespace

void save_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                      const Metadata& metadata) {
  const auto [header, order] = plan(tensors, metadata);
  AtomicFile file(path);
  file.write(header);
  for (std::size_t i : order) file.write(bytes_of(tensors[i].tensor));
  file.commit();
}

std::vector<std::byte> safetensors_bytes(std::span<const NamedTensor> tensors, const Metadata& metadata) {
  const auto [header, order] = plan(tensors, metadata);
  const auto front = std::as_bytes(std::span(header));
  std::vector<std::byte> result(front.begin(), front.end());
  for (std::size_t i : order) {
    const auto data = bytes_of(tensors[i].tensor);
    result.insert(result.end(), data.begin(), data.end());
  }
  return result;
}

}  // namespace weft
