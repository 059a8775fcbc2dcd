#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "weft/core/tensor.h"
#include "weft/io/number_type.h"
#include "weft/io/safetensors.h"

namespace weft {

/// One tensor of a file: the numbers at `offset` bytes into a storage, `strides` apart.
struct FileTensor {
  std::string name;
  NumberType type = NumberType::f32;
  Shape shape;
  std::array<std::int64_t, Shape::max_rank> strides{};  ///< of each axis, in numbers; none is negative
  std::size_t storage = 0;                              ///< equal for tensors that share their memory
  std::size_t offset = 0;
  bool big_endian = false;

  std::size_t bytes() const { return static_cast<std::size_t>(shape.numel()) * size_of(type); }
  /// Whether the numbers lie one behind the other in row-major order.
  bool contiguous() const;
  /// Whether both are views of the very same numbers, as tied weights are.
  bool same_numbers(const FileTensor& other) const;
};

/// What a file holds besides tensors.
struct FileRecord {
  /// An object of a class that weft does not know, a function, bytes: named, and nothing of it is run.
  struct Opaque {
    std::string of;
    bool operator==(const Opaque&) const = default;
  };
  std::string name;
  std::variant<std::monostate, bool, std::int64_t, double, std::string, Opaque> value;  ///< the first is None

  /// "3", "'text'", "opaque omegaconf.dictconfig.DictConfig"
  std::string str() const;
};

struct TensorFileContents;

/// A file with tensors, of any of these formats, told by its content:
///   safetensors, with every type of numbers but F4, F6, F8_E8M0 and C64
///   PyTorch's .pt, .pth and .bin: zip archives, and the streams of versions before 1.6
///   npy and npz of numpy
///   an index.json of shards of the first two, and a folder that holds model.safetensors, pytorch_model.bin, an
///   index.json of one of them, diffusion_pytorch_model.safetensors or its index.json, adapter_model.safetensors or
///   adapter_model.bin (the first of these)
/// A handle: copying it copies nothing. Nothing that a file holds is run.
///
/// Names. What safetensors and npz name has that name; the one array of an npy file, and a tensor that a .pt file
/// holds alone, is `tensor`. In a .pt file the names are paths: keys of dicts, positions in lists and tuples and
/// fields of opaque objects, joined by dots, as in `model.net.0.weight` or `optimizer.param_groups.0.lr`. All of the
/// path is kept: whoever wants what is under `state_dict.` asks for it. A key that is no text or whole number stands
/// as #0, #1 … by its place. Attributes of a dict (PyTorch's _metadata) are left out.
class TensorFile {
 public:
  /// Maps the file into memory, as SafeTensors does. Throws DiskError when it cannot be read, FormatError when it is
  /// malformed or of a format that weft does not read, naming it; a pickle that asks for what runs code is refused by
  /// the name that it asks for.
  static TensorFile open(const std::filesystem::path& path);
  /// The same for the bytes of one file, kept alive by `owner` or else by the caller; `file` names them in messages.
  static TensorFile parse(std::span<const std::byte> bytes, std::string_view file,
                          std::shared_ptr<const void> owner = {});

  /// "safetensors", "torch", "legacy torch", "npy" or "npz"
  const std::string& format() const;
  /// What messages call it.
  const std::string& file() const;
  /// In the file's order.
  const std::vector<FileTensor>& tensors() const;
  const std::vector<FileRecord>& records() const;
  /// Of safetensors; others have none.
  const Metadata& metadata() const;
  /// The number of tensors and the first names, for messages: "9: 'W1', 'b1', ..."
  std::string listing() const;

  bool contains(std::string_view name) const;
  /// These throw UsageError for a name that the file does not have.
  const FileTensor& tensor(std::string_view name) const;
  /// An owned row-major copy as float32 or float64; see read_numbers for how numbers are converted. Throws DtypeError
  /// for another dtype, FormatError when compressed numbers turn out to be corrupt.
  Tensor read(std::string_view name, DType dtype) const;
  /// A read-only view into the file, which it keeps alive, where the file has the numbers of one of weft's dtypes in
  /// row-major order, uncompressed and aligned; else nothing.
  std::optional<Tensor> view(std::string_view name) const;
  /// The numbers as the file has them, but row-major and little-endian.
  std::vector<std::byte> packed(std::string_view name) const;

 private:
  explicit TensorFile(std::shared_ptr<const TensorFileContents> contents) : contents_(std::move(contents)) {}

  std::shared_ptr<const TensorFileContents> contents_;
};

/// Writes a safetensors file with the names, order and types of `source`, and its metadata or those given. Tensors in
/// `changed` (float32 or float64, of the shape they have there) are rounded to the type of the file, see write_numbers;
/// all others are written byte for byte. Those in `added`, of names that it lacks, stand behind them, in the type of
/// its largest. Appears complete or not at all. Throws DiskError; UsageError for a name that `source` lacks, or has in
/// spite of `added`, and as save_safetensors does; ShapeError, DtypeError; NumericError for a finite number that the
/// type's range does not hold.
void save_tensor_file_like(const std::filesystem::path& path, const TensorFile& source,
                           const std::map<std::string, Tensor>& changed, const std::optional<Metadata>& metadata = {},
                           const std::map<std::string, Tensor>& added = {});

}  // namespace weft
