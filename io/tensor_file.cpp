#include "weft/io/tensor_file.h"

#include <algorithm>
#include <cstring>

#include <fmt/ranges.h>

#include "weft/core/error.h"
#include "weft/core/strided_runs.h"
#include "weft/core/uninitialised.h"
#include "weft/io/foreign_file.h"
#include "weft/io/mapped_file.h"
#include "weft/io/tensor_file_contents.h"
#include "weft/io/text.h"
#include "weft/io/zip_archive.h"

namespace weft {
namespace {

StridedRuns runs_of(const FileTensor& tensor) {
  std::array<StridedAxis, Shape::max_rank> axes;
  for (int axis = 0; axis < tensor.shape.rank(); ++axis)
    axes[static_cast<std::size_t>(axis)] = {tensor.shape[axis], tensor.strides[static_cast<std::size_t>(axis)]};
  return StridedRuns(std::span(axes).first(static_cast<std::size_t>(tensor.shape.rank())));
}

/// One run of numbers, one behind the other and little-endian.
void pack(const FileTensor& tensor, const std::byte* from, std::int64_t stride, std::size_t count, std::byte* to) {
  const std::size_t size = size_of(tensor.type);
  for (std::size_t i = 0; i < count; ++i, from += stride, to += size) {
    std::memcpy(to, from, size);
    if (tensor.big_endian) std::reverse(to, to + size);
  }
}

template <class T>
void convert(const FileTensor& tensor, const std::byte* storage, T* to) {
  const auto size = static_cast<std::int64_t>(size_of(tensor.type));
  const StridedRuns runs = runs_of(tensor);
  const std::int64_t stride = runs.stride() * size;
  const std::byte* first = storage + tensor.offset;
  runs.each([&](std::int64_t from, std::int64_t position, std::int64_t length) {
    const auto count = static_cast<std::size_t>(length);
    if (!tensor.big_endian) return read_numbers(tensor.type, first + from * size, stride, count, to + position);
    constexpr std::size_t piece = 512;
    std::array<std::byte, piece * sizeof(double)> packed;
    for (std::size_t done = 0; done < count; done += piece) {
      const std::size_t n = std::min(piece, count - done);
      pack(tensor, first + from * size + static_cast<std::int64_t>(done) * stride, stride, n, packed.data());
      read_numbers(tensor.type, packed.data(), size, n, to + position + done);
    }
  });
}

/// The storage of a tensor as bytes, unpacked for as long as this lives.
class Unpacked {
 public:
  explicit Unpacked(const FileStorage& storage) {
    if (storage.unpack) bytes_ = storage.unpack();
    data_ = storage.unpack ? bytes_.data() : storage.bytes.data();
  }
  const std::byte* data() const { return data_; }

 private:
  std::vector<std::byte> bytes_;
  const std::byte* data_;
};

/// The file that a folder of a model is read from.
std::filesystem::path model_in(const std::filesystem::path& folder) {
  constexpr const char* names[] = {"model.safetensors",
                                   "model.safetensors.index.json",
                                   "pytorch_model.bin",
                                   "pytorch_model.bin.index.json",
                                   "diffusion_pytorch_model.safetensors",
                                   "diffusion_pytorch_model.safetensors.index.json",
                                   "adapter_model.safetensors",
                                   "adapter_model.bin"};
  for (const char* name : names)
    if (std::error_code ignored; std::filesystem::exists(folder / name, ignored)) return folder / name;
  throw FormatError("[tensors] {}: a folder without {}; name the file with the weights", in_quotes(folder.native()),
                    fmt::join(names, ", "));
}

}  // namespace

bool FileTensor::contiguous() const {
  const auto expected = row_major_strides(shape);
  for (int axis = 0; axis < shape.rank(); ++axis)
    if (shape[axis] > 1 && strides[static_cast<std::size_t>(axis)] != expected[static_cast<std::size_t>(axis)])
      return false;
  return true;
}

bool FileTensor::same_numbers(const FileTensor& other) const {
  return storage == other.storage && offset == other.offset && type == other.type && shape == other.shape &&
         strides == other.strides;
}

std::string FileRecord::str() const {
  struct Text {
    std::string operator()(std::monostate) const { return "None"; }
    std::string operator()(bool value) const { return value ? "True" : "False"; }
    std::string operator()(std::int64_t value) const { return std::to_string(value); }
    std::string operator()(double value) const { return fmt::format("{}", value); }
    std::string operator()(const std::string& value) const { return in_quotes(value); }
    std::string operator()(const Opaque& value) const { return "opaque " + value.of; }
  };
  return std::visit(Text{}, value);
}

std::array<std::int64_t, Shape::max_rank> row_major_strides(const Shape& shape) {
  std::array<std::int64_t, Shape::max_rank> strides{};
  std::int64_t stride = 1;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    strides[static_cast<std::size_t>(axis)] = stride;
    stride *= shape[axis];
  }
  return strides;
}

void TensorFileContents::add(FileTensor tensor) {
  const std::size_t size = size_of(tensor.type), have = storages[tensor.storage].size;
  const std::int64_t numel = tensor.shape.numel();
  std::int64_t last = 0, step = 0;  // the number that lies furthest behind the first
  bool inside = tensor.offset <= have;
  for (int axis = 0; axis < tensor.shape.rank() && numel > 0; ++axis)
    inside = inside && tensor.strides[static_cast<std::size_t>(axis)] >= 0 &&
             !__builtin_mul_overflow(tensor.shape[axis] - 1, tensor.strides[static_cast<std::size_t>(axis)], &step) &&
             !__builtin_add_overflow(last, step, &last);
  // Compared as counts of whole numbers, which do not overflow.
  inside = inside && (numel == 0 || static_cast<std::uint64_t>(last) < (have - tensor.offset) / size);
  if (!inside)
    throw FormatError(
        "[{}] {}: tensor {} of shape {} with strides [{}] from byte {} does not lie in its storage of {} bytes: the "
        "file is truncated or damaged",
        format, in_quotes(file), in_quotes(tensor.name), tensor.shape.str(),
        fmt::join(std::span(tensor.strides).first(static_cast<std::size_t>(tensor.shape.rank())), ", "), tensor.offset,
        have);
  if (static_cast<std::uint64_t>(numel) > have / size && numel > most_repeated)
    throw FormatError("[{}] {}: tensor {} repeats the numbers of its storage to {}; allowed: at most {}", format,
                      in_quotes(file), in_quotes(tensor.name), numel, most_repeated);
  if (!index.try_emplace(tensor.name, tensors.size()).second)
    throw FormatError("[{}] {}: two tensors are called {}", format, in_quotes(file), in_quotes(tensor.name));
  tensors.push_back(std::move(tensor));
}

void read_safetensors_file(std::span<const std::byte> bytes, TensorFileContents& contents) {
  contents.format = "safetensors";
  auto header = SafeTensorsHeader::parse(bytes, contents.file, SafeTensorsTypes::all);
  for (auto& entry : header.entries) {
    FileTensor tensor{std::move(entry.name), entry.type, entry.shape, row_major_strides(entry.shape),
                      contents.storages.size()};
    contents.storages.push_back(
        {entry.end - entry.begin, bytes.subspan(header.data_begin + entry.begin, entry.end - entry.begin), {}});
    contents.add(std::move(tensor));
  }
  contents.metadata.merge(header.metadata);
}

void read_tensor_file(std::span<const std::byte> bytes, TensorFileContents& contents) {
  switch (file_format(bytes, contents.file)) {
    case FileFormat::safetensors:
      return read_safetensors_file(bytes, contents);
    case FileFormat::torch_zip:
      return read_torch_zip(bytes, contents);
    case FileFormat::pickle:
      return read_torch_legacy(bytes, contents);
    case FileFormat::npy:
      return read_npy(bytes, contents);
    case FileFormat::npz:
      return read_npz(bytes, contents);
  }
}

TensorFile TensorFile::open(const std::filesystem::path& path) {
  std::error_code ignored;  // opening it says what is wrong, if anything
  const auto file = std::filesystem::is_directory(path, ignored) ? model_in(path) : path;
  const auto mapped = std::make_shared<const MappedFile>(file);
  const auto bytes = mapped->bytes();
  // The length in front of a safetensors file may begin with the same byte, and goes on with zeros.
  const auto begin = bytes.first(std::min<std::size_t>(bytes.size(), 8));
  if (begin.empty() || begin[0] != std::byte{'{'} || std::ranges::count(begin, std::byte{0}) > 0)
    return parse(bytes, file.native(), mapped);
  auto contents = std::make_shared<TensorFileContents>();
  contents->file = file.native();
  read_shards(file, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}, *contents);
  refuse_quantised(*contents);
  return TensorFile(std::move(contents));
}

TensorFile TensorFile::parse(std::span<const std::byte> bytes, std::string_view file,
                             std::shared_ptr<const void> owner) {
  auto contents = std::make_shared<TensorFileContents>();
  contents->file = file;
  contents->owners.push_back(std::move(owner));
  read_tensor_file(bytes, *contents);
  refuse_quantised(*contents);
  return TensorFile(std::move(contents));
}

const std::string& TensorFile::format() const { return contents_->format; }
const std::string& TensorFile::file() const { return contents_->file; }
const std::vector<FileTensor>& TensorFile::tensors() const { return contents_->tensors; }
const std::vector<FileRecord>& TensorFile::records() const { return contents_->records; }
const Metadata& TensorFile::metadata() const { return contents_->metadata; }
bool TensorFile::contains(std::string_view name) const { return contents_->index.contains(name); }

std::string TensorFile::listing() const {
  std::vector<std::string_view> names;
  for (const FileTensor& tensor : tensors()) names.push_back(tensor.name);
  return listed(names);
}

const FileTensor& TensorFile::tensor(std::string_view name) const {
  if (const auto found = contents_->index.find(name); found != contents_->index.end())
    return contents_->tensors[found->second];
  throw UsageError("[{}] {}: no tensor {}; the file has {}", format(), in_quotes(file()), in_quotes(name), listing());
}

Tensor TensorFile::read(std::string_view name, DType dtype) const {
  const FileTensor& found = tensor(name);
  return with_float(dtype, "read", [&](auto zero) {
    using T = decltype(zero);
    const Unpacked storage(contents_->storages[found.storage]);
    const Tensor result = uninitialised(found.shape, dtype);
    convert(found, storage.data(), result.data<T>());
    return result;
  });
}

std::optional<Tensor> TensorFile::view(std::string_view name) const {
  const FileTensor& found = tensor(name);
  const FileStorage& storage = contents_->storages[found.storage];
  const auto dtype = dtype_of_number(found.type);
  if (!dtype || storage.unpack || !found.contiguous() || (found.big_endian && size_of(found.type) > 1))
    return std::nullopt;
  const std::byte* data = storage.bytes.data() + found.offset;
  if (reinterpret_cast<std::uintptr_t>(data) % size_of(found.type) != 0) return std::nullopt;
  // Tensor has no constness of its own; see the promise to callers in the header.
  return Tensor::view_of(const_cast<std::byte*>(data), found.shape, *dtype, contents_);
}

std::vector<std::byte> TensorFile::packed(std::string_view name) const {
  const FileTensor& found = tensor(name);
  const Unpacked storage(contents_->storages[found.storage]);
  std::vector<std::byte> result(found.bytes());
  const auto size = static_cast<std::int64_t>(size_of(found.type));
  const StridedRuns runs = runs_of(found);
  runs.each([&](std::int64_t from, std::int64_t position, std::int64_t length) {
    pack(found, storage.data() + found.offset + from * size, runs.stride() * size, static_cast<std::size_t>(length),
         result.data() + position * size);
  });
  return result;
}

}  // namespace weft
