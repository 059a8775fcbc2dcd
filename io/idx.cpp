#include "weft/io/idx.h"

#include <cstring>

#include "weft/core/error.h"
#include "weft/io/gzip.h"
#include "weft/io/text.h"

namespace weft {
namespace {

constexpr std::size_t magic_bytes = 4, size_bytes = 4;
constexpr int type_u8 = 0x08;

const char* type_name(int code) {
  switch (code) {
    case 0x09:
      return "int8";
    case 0x0b:
      return "int16";
    case 0x0c:
      return "int32";
    case 0x0d:
      return "float32";
    case 0x0e:
      return "float64";
    default:
      return "unknown";
  }
}

template <class... Args>
[[noreturn]] void fail(std::string_view file, fmt::format_string<Args...> message, Args&&... args) {
  throw FormatError("[idx] {}: {}", in_quotes(file), fmt::format(message, std::forward<Args>(args)...));
}

}  // namespace

Tensor read_idx(const std::filesystem::path& path) { return parse_idx(read_file(path), path.native()); }

Tensor parse_idx(std::span<const std::byte> bytes, std::string_view file) {
  auto at = [&](std::size_t i) { return std::to_integer<int>(bytes[i]); };
  if (bytes.size() < magic_bytes) fail(file, "{} bytes; an IDX file has at least 4", bytes.size());
  if (at(0) != 0 || at(1) != 0)
    fail(file, "begins with the bytes {:02x} {:02x}; an IDX file begins with 00 00", at(0), at(1));
  if (at(2) != type_u8)
    fail(file, "holds values of type 0x{:02x} ({}); allowed: 0x08 (uint8)", at(2), type_name(at(2)));
  const int rank = at(3);
  if (rank < 1 || rank > Shape::max_rank) fail(file, "has {} axes; allowed: 1 to {}", rank, Shape::max_rank);
  const std::size_t header = magic_bytes + size_bytes * static_cast<std::size_t>(rank);
  if (bytes.size() < header)
    fail(file, "{} bytes; the header of {} axes takes {}: the file is truncated", bytes.size(), rank, header);

  Shape shape;
  for (std::size_t i = magic_bytes; i < header; i += size_bytes) {
    std::int64_t size = 0;
    for (std::size_t k = 0; k < size_bytes; ++k) size = size << 8 | at(i + k);
    if (!shape.takes(size)) fail(file, "the axis of {} makes it too large; allowed: fewer than 2^60 numbers", size);
    shape.push_back(size);
  }
  const std::int64_t expected = shape.numel();
  const std::size_t present = bytes.size() - header;
  if (present != static_cast<std::size_t>(expected))
    fail(file, "{} bytes of values; shape {} takes {}: {}", present, shape.str(), expected,
         present < static_cast<std::size_t>(expected) ? "the file is truncated" : "surplus bytes are not allowed");
  Tensor tensor = Tensor::zeros(shape, DType::u8);
  if (present) std::memcpy(tensor.raw(), bytes.data() + header, present);
  return tensor;
}

}  // namespace weft
