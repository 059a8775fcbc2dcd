#pragma once
// What tensors of PyTorch are in a pickle, wherever their storages lie: shared by the zip archives and the older
// stream.

#include <functional>
#include <optional>
#include <string_view>

#include "weft/io/pickle.h"
#include "weft/io/tensor_file_contents.h"

namespace weft {

/// A storage as a pickle names it: the text 'storage', its class, key, device and number of items, and in the older
/// stream what part of another one it views.
struct TorchStorage {
  std::string_view class_name;     ///< "torch.FloatStorage"
  std::optional<NumberType> type;  ///< nothing for complex and quantised numbers
  std::size_t item_size = 0;
  std::string_view key;
  std::uint64_t count = 0;
  struct View {
    std::string_view key;
    std::uint64_t begin = 0, count = 0;  ///< in items of the storage that is viewed
  };
  std::optional<View> view;

  /// Throws FormatError for a value that is no storage.
  TorchStorage(const Pickle& pickle, PickleRef persistent, std::string_view file);
  /// Bytes of `items` items of a size. Throws FormatError where no file has so many.
  static std::size_t bytes_of(std::uint64_t items, std::size_t size, std::string_view file);
};

/// Adds every tensor and record below the root of a pickle; `place` gives the position among contents.storages of a
/// storage. Throws FormatError.
void read_torch_values(const Pickle& pickle, bool big_endian,
                       const std::function<std::size_t(const TorchStorage&)>& place, TensorFileContents& contents);

}  // namespace weft
