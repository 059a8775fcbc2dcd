#include <cstring>

#include "weft/core/error.h"
#include "weft/io/mapped_file.h"
#include "weft/io/safetensors.h"
#include "weft/io/text.h"

namespace weft {

struct SafeTensors::Contents {
  std::string file;
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;
  SafeTensorsHeader header;
};

SafeTensors SafeTensors::open(const std::filesystem::path& path) {
  auto mapped = std::make_shared<const MappedFile>(path);
  return parse(mapped->bytes(), path.native(), mapped);
}

SafeTensors SafeTensors::parse(std::span<const std::byte> bytes, std::string_view file,
                               std::shared_ptr<const void> owner) {
  auto header = SafeTensorsHeader::parse(bytes, file);
  return SafeTensors(
      std::make_shared<const Contents>(Contents{std::string(file), bytes, std::move(owner), std::move(header)}));
}

std::vector<std::string> SafeTensors::names() const {
  std::vector<std::string> result;
  for (const auto& entry : contents_->header.entries) result.push_back(entry.name);
  return result;
}

const Metadata& SafeTensors::metadata() const { return contents_->header.metadata; }

bool SafeTensors::contains(std::string_view name) const { return contents_->header.index.contains(name); }

DType SafeTensors::dtype(std::string_view name) const { return *dtype_of_number(entry(name).type); }

const Shape& SafeTensors::shape(std::string_view name) const { return entry(name).shape; }

std::size_t SafeTensors::offset(std::string_view name) const {
  return contents_->header.data_begin + entry(name).begin;
}

Tensor SafeTensors::tensor(std::string_view name) const {
  const auto& found = entry(name);
  const DType dtype = *dtype_of_number(found.type);  // parse() takes no other
  const std::byte* data = contents_->bytes.data() + contents_->header.data_begin + found.begin;
  if (reinterpret_cast<std::uintptr_t>(data) % size_of(dtype) == 0) {
    // Tensor has no constness of its own; see the promise to callers in the header.
    return Tensor::view_of(const_cast<std::byte*>(data), found.shape, dtype, contents_->owner);
  }
  Tensor copy = Tensor::zeros(found.shape, dtype);
  if (copy.bytes()) std::memcpy(copy.raw(), data, copy.bytes());
  return copy;
}

const SafeTensorsEntry& SafeTensors::entry(std::string_view name) const {
  const auto& header = contents_->header;
  if (const auto found = header.index.find(name); found != header.index.end()) return header.entries[found->second];
  throw UsageError("[safetensors] {}: no tensor {}; the file has {}", in_quotes(contents_->file), in_quotes(name),
                   listing());
}

std::string SafeTensors::listing() const {
  std::vector<std::string_view> names;
  for (const auto& entry : contents_->header.entries) names.push_back(entry.name);
  return listed(names);
}

}  // namespace weft
