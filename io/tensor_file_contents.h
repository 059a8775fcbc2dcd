#pragma once
// What the readers of each format fill in; io/tensor_file.h shows it.

#include <functional>

#include "weft/io/tensor_file.h"

namespace weft {

/// Bytes that tensors view.
struct FileStorage {
  std::size_t size = 0;
  std::span<const std::byte> bytes;                ///< in the file, unless it is compressed
  std::function<std::vector<std::byte>()> unpack;  ///< where it is: `size` bytes
};

struct TensorFileContents {
  /// A tensor that repeats numbers of its storage (an expanded one) has at most so many; others as many as the storage.
  static constexpr std::int64_t most_repeated = std::int64_t{1} << 27;

  std::string file, format;
  std::vector<FileTensor> tensors;
  std::vector<FileRecord> records;
  Metadata metadata;
  std::vector<FileStorage> storages;
  std::vector<std::shared_ptr<const void>> owners;
  std::map<std::string, std::size_t, std::less<>> index;  ///< of tensors, by name

  /// Adds a tensor, checked to lie within its storage. Throws FormatError.
  void add(FileTensor tensor);
};

/// Strides of a row-major array.
std::array<std::int64_t, Shape::max_rank> row_major_strides(const Shape& shape);

// Each adds what one file holds; `bytes` outlive the contents. They throw FormatError.
void read_safetensors_file(std::span<const std::byte> bytes, TensorFileContents& contents);
void read_torch_zip(std::span<const std::byte> bytes, TensorFileContents& contents);
void read_torch_legacy(std::span<const std::byte> bytes, TensorFileContents& contents);
void read_npy(std::span<const std::byte> bytes, TensorFileContents& contents);
void read_npz(std::span<const std::byte> bytes, TensorFileContents& contents);

/// Any of them, told by its content; `file`, `format` and the rest are filled in.
void read_tensor_file(std::span<const std::byte> bytes, TensorFileContents& contents);
/// Shards beside an index; adds all that they hold. Throws FormatError and DiskError.
void read_shards(const std::filesystem::path& index, std::string_view text, TensorFileContents& contents);

}  // namespace weft
