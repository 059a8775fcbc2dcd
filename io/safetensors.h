#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weft/core/tensor.h"
#include "weft/io/safetensors_header.h"

namespace weft {

using Metadata = std::map<std::string, std::string>;

/// A safetensors file, checked as a whole when it is opened. A handle: copying it copies nothing.
class SafeTensors {
 public:
  /// Maps the file into memory. The file must not be shortened while it is open; replacing it, as save_safetensors
  /// does, is fine. Throws DiskError when it cannot be read, FormatError when it is malformed.
  static SafeTensors open(const std::filesystem::path& path);
  /// The same for bytes in memory, kept alive by `owner` or else by the caller; `file` names them in messages.
  static SafeTensors parse(std::span<const std::byte> bytes, std::string_view file,
                           std::shared_ptr<const void> owner = {});

  /// In the order of the header.
  std::vector<std::string> names() const;
  /// The number of tensors and the first names, for messages: "9: 'W1', 'b1', ..."
  std::string listing() const;
  const Metadata& metadata() const;
  bool contains(std::string_view name) const;
  /// Of one tensor; like tensor(), they throw UsageError for a name that the file does not have.
  DType dtype(std::string_view name) const;
  const Shape& shape(std::string_view name) const;
  /// Bytes before the tensor's first one in the file: for who reads parts of it without the map.
  std::size_t offset(std::string_view name) const;

  /// A read-only view into the file, which it keeps alive: clone() it before writing. An owned copy where the file does
  /// not align the data for its dtype.
  Tensor tensor(std::string_view name) const;

 private:
  struct Contents;
  explicit SafeTensors(std::shared_ptr<const Contents> contents) : contents_(std::move(contents)) {}
  const SafeTensorsEntry& entry(std::string_view name) const;

  std::shared_ptr<const Contents> contents_;
};

struct NamedTensor {
  std::string name;
  Tensor tensor;
};

/// Writes a file that holds `tensors` under their names, and `metadata`. The same arguments give the same bytes. The
/// header keeps the order given; data starts at a multiple of 64 bytes and is sorted by item size, largest first, so
/// that readers can map every tensor. Appears at `path` complete or not at all (see AtomicFile).
/// Throws DiskError; UsageError for empty, repeated or reserved names, undefined tensors, and text that is not UTF-8.
void save_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                      const Metadata& metadata = {});
/// The bytes of that file.
std::vector<std::byte> safetensors_bytes(std::span<const NamedTensor> tensors, const Metadata& metadata = {});

}  // namespace weft
