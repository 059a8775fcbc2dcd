#include "weft/io/cifar.h"

#include <cstring>

#include "weft/core/error.h"
#include "weft/io/gzip.h"
#include "weft/io/text.h"

namespace weft {

Cifar10 read_cifar10(const std::filesystem::path& path) { return parse_cifar10(read_file(path), path.native()); }

Cifar10 parse_cifar10(std::span<const std::byte> bytes, std::string_view file) {
  constexpr std::size_t image_bytes = 3 * 32 * 32, record_bytes = 1 + image_bytes;
  if (bytes.empty() || bytes.size() % record_bytes)
    throw FormatError("[cifar10] {}: {} bytes; allowed: one or more records of {} bytes (1 label, {} pixels): {}",
                      in_quotes(file), bytes.size(), record_bytes, image_bytes,
                      "the file is truncated or no batch of CIFAR-10's binary version");
  const std::size_t items = bytes.size() / record_bytes;
  const auto n = static_cast<std::int64_t>(items);
  Cifar10 batch{Tensor::zeros({n, 3, 32, 32}, DType::u8), Tensor::zeros({n}, DType::u8)};
  for (std::size_t i = 0; i < items; ++i) {
    const std::byte* record = bytes.data() + i * record_bytes;
    const auto label = std::to_integer<std::uint8_t>(record[0]);
    if (label > 9) throw FormatError("[cifar10] {}: label {} of record {}; allowed: 0 to 9", in_quotes(file), label, i);
    batch.labels.data<std::uint8_t>()[i] = label;
    std::memcpy(batch.images.data<std::uint8_t>() + i * image_bytes, record + 1, image_bytes);
  }
  return batch;
}

}  // namespace weft
