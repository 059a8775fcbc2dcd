#include <algorithm>

#include "weft/core/error.h"
#include "weft/io/atomic_file.h"
#include "weft/io/safetensors_header.h"
#include "weft/io/tensor_file.h"
#include "weft/io/text.h"

namespace weft {
namespace {

/// The bytes of new numbers in the type of the file.
std::vector<std::byte> rounded(const FileTensor& tensor, const Tensor& numbers, const std::string& file) {
  std::vector<std::byte> bytes(tensor.bytes());
  with_float(numbers.dtype(), "write", [&](auto zero) {
    using T = decltype(zero);
    const std::span<const T> from = numbers.span<T>();
    if (const auto lost = write_numbers<T>(tensor.type, from, bytes.data()))
      throw NumericError("[write] {}: number {} of tensor {} is {}, which {} does not hold", file, *lost,
                         in_quotes(tensor.name), from[*lost], name(tensor.type));
  });
  return bytes;
}

}  // namespace

void save_tensor_file_like(const std::filesystem::path& path, const TensorFile& source,
                           const std::map<std::string, Tensor>& changed, const std::optional<Metadata>& metadata,
                           const std::map<std::string, Tensor>& added) {
  for (const auto& [name, numbers] : changed) {
    const FileTensor& there = source.tensor(name);
    if (!numbers.defined() || numbers.shape() != there.shape)
      throw ShapeError("[write] tensor {} is {}; {} has {}", in_quotes(name),
                       numbers.defined() ? numbers.shape().str() : "undefined", in_quotes(source.file()),
                       there.shape.str());
    with_float(numbers.dtype(), "write", [](auto) {});
  }
  std::vector<FileTensor> tensors = source.tensors();
  const auto largest = std::ranges::max_element(tensors, {}, &FileTensor::bytes);
  const NumberType type = largest == tensors.end() ? NumberType::f32 : largest->type;
  for (const auto& [name, numbers] : added) {
    if (source.contains(name))
      throw UsageError("[write] tensor {} is to be added, and {} has it", in_quotes(name), in_quotes(source.file()));
    tensors.push_back({name, type, numbers.shape()});
  }
  std::vector<SafeTensorsEntry> entries;
  for (const FileTensor& tensor : tensors) entries.push_back({tensor.name, tensor.type, tensor.shape});
  const SafeTensorsLayout layout(std::move(entries), metadata.value_or(source.metadata()));
  AtomicFile file(path);
  file.write(layout.header);
  for (const std::size_t i : layout.order) {
    const FileTensor& tensor = tensors[i];
    const auto& numbers = i < source.tensors().size() ? changed : added;
    const auto found = numbers.find(tensor.name);
    file.write(found == numbers.end() ? source.packed(tensor.name)
                                      : rounded(tensor, found->second, in_quotes(path.native())));
  }
  file.commit();
}

}  // namespace weft
