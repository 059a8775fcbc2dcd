#include "weft/core/error.h"
#include "weft/io/atomic_file.h"
#include "weft/io/safetensors.h"
#include "weft/io/text.h"

namespace weft {
namespace {

SafeTensorsLayout layout(std::span<const NamedTensor> tensors, const Metadata& metadata) {
  std::vector<SafeTensorsEntry> entries;
  for (const auto& [name, tensor] : tensors) {
    if (!tensor.defined()) throw UsageError("[safetensors] tensor {} is undefined", in_quotes(name));
    entries.push_back({name, number_type(tensor.dtype()), tensor.shape()});
  }
  return {std::move(entries), metadata};
}

std::span<const std::byte> bytes_of(const Tensor& tensor) {
  return {static_cast<const std::byte*>(tensor.raw()), tensor.bytes()};
}

}  // namespace

void save_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                      const Metadata& metadata) {
  const auto [header, order] = layout(tensors, metadata);
  AtomicFile file(path);
  file.write(header);
  for (std::size_t i : order) file.write(bytes_of(tensors[i].tensor));
  file.commit();
}

std::vector<std::byte> safetensors_bytes(std::span<const NamedTensor> tensors, const Metadata& metadata) {
  const auto [header, order] = layout(tensors, metadata);
  const auto front = std::as_bytes(std::span(header));
  std::vector<std::byte> result(front.begin(), front.end());
  for (std::size_t i : order) {
    const auto data = bytes_of(tensors[i].tensor);
    result.insert(result.end(), data.begin(), data.end());
  }
  return result;
}

}  // namespace weft
