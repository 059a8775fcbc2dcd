#pragma once
// Python's pickles as data: what a stream builds, in a table of values, without running anything of it.

#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

/// A value of a pickle, by its place in the table of its Pickle. Values may hold themselves.
using PickleRef = std::uint32_t;

struct PickleValue {
  enum class Kind : std::uint8_t {
    none,
    truth,       ///< integer
    integer,     ///< integer
    real,        ///< real
    text,        ///< text
    bytes,       ///< text
    list,        ///< items
    tuple,       ///< items
    dict,        ///< items: key, value, key, value …
    global,      ///< text: "module.name"
    persistent,  ///< items: the one value that names something outside of the pickle
    call,        ///< text: what would be called; items: the one value that holds the arguments
    opaque,      ///< text: the class; items: fields as in a dict; behind a key of kind `state` all that it holds
    state,
  };
  Kind kind = Kind::none;
  std::int64_t integer = 0;
  double real = 0;
  std::string_view text = {};
  std::vector<PickleRef> items = {};
};

/// What one pickle holds. Read by a machine that knows the opcodes of protocols 2 to 5 (and GLOBAL and INST of older
/// ones, to refuse them by name). Calls of a few functions of torch are kept as `call`s, collections.OrderedDict is a
/// dict, _rebuild_parameter its tensor, torch.Size a tuple; all else that would be constructed is `opaque`, with the
/// dict of its state as fields.
class Pickle {
 public:
  /// Values of a pickle are at most so many; a state dict of 100,000 tensors has half of them.
  static constexpr std::size_t most_values = std::size_t{1} << 22;
  static constexpr std::size_t most_globals = 10'000, longest_global = 256;

  /// Reads the pickle at the front of `bytes`, which must outlive it. Throws FormatError for what is no pickle, is
  /// truncated, or asks for a global that can run code; `file` names the file in messages.
  Pickle(std::span<const std::byte> bytes, std::string_view file);

  const PickleValue& operator[](PickleRef ref) const { return values_[ref]; }
  std::size_t count() const { return values_.size(); }
  PickleRef root() const { return root_; }
  /// The bytes that it takes.
  std::size_t size() const { return size_; }

 private:
  class Machine;
  std::vector<PickleValue> values_;
  std::set<std::string, std::less<>> names_;  ///< of globals
  PickleRef root_ = 0;
  std::size_t size_ = 0;
};

/// Whether a function or class of that module and name may run code, open files or connections, or load more pickles.
bool runs_code(std::string_view module, std::string_view name);

}  // namespace weft
