#include "weft/io/torch_tensors.h"

#include <algorithm>
#include <set>

#include "weft/core/error.h"
#include "weft/io/text.h"

namespace weft {
namespace {

using Kind = PickleValue::Kind;

struct StorageClass {
  std::string_view name;
  std::size_t item_size;
  std::optional<NumberType> type;
};

const StorageClass* storage_class(std::string_view name) {
  static constexpr StorageClass classes[] = {
      {"DoubleStorage", 8, NumberType::f64},      {"FloatStorage", 4, NumberType::f32},
      {"HalfStorage", 2, NumberType::f16},        {"BFloat16Storage", 2, NumberType::bf16},
      {"LongStorage", 8, NumberType::i64},        {"IntStorage", 4, NumberType::i32},
      {"ShortStorage", 2, NumberType::i16},       {"CharStorage", 1, NumberType::i8},
      {"ByteStorage", 1, NumberType::u8},         {"BoolStorage", 1, NumberType::boolean},
      {"UntypedStorage", 1, NumberType::u8},      {"ComplexFloatStorage", 8, std::nullopt},
      {"ComplexDoubleStorage", 16, std::nullopt}, {"QInt8Storage", 1, std::nullopt},
      {"QUInt8Storage", 1, std::nullopt},         {"QInt32Storage", 4, std::nullopt}};
  if (!name.starts_with("torch.")) return nullptr;
  const auto* found =
      std::find_if(std::begin(classes), std::end(classes),
                   [last = name.substr(name.rfind('.') + 1)](const StorageClass& c) { return c.name == last; });
  return found == std::end(classes) ? nullptr : found;
}

/// Types that tensors of untyped storages name.
std::optional<NumberType> torch_dtype(std::string_view name) {
  constexpr std::pair<std::string_view, NumberType> dtypes[] = {{"torch.float64", NumberType::f64},
                                                                {"torch.float32", NumberType::f32},
                                                                {"torch.float16", NumberType::f16},
                                                                {"torch.bfloat16", NumberType::bf16},
                                                                {"torch.float8_e4m3fn", NumberType::f8_e4m3},
                                                                {"torch.float8_e5m2", NumberType::f8_e5m2},
                                                                {"torch.int64", NumberType::i64},
                                                                {"torch.int32", NumberType::i32},
                                                                {"torch.int16", NumberType::i16},
                                                                {"torch.int8", NumberType::i8},
                                                                {"torch.uint64", NumberType::u64},
                                                                {"torch.uint32", NumberType::u32},
                                                                {"torch.uint16", NumberType::u16},
                                                                {"torch.uint8", NumberType::u8},
                                                                {"torch.bool", NumberType::boolean}};
  for (const auto& [dtype, type] : dtypes)
    if (name == dtype) return type;
  return std::nullopt;
}

/// Walks what a pickle built, with a path of names.
class Walk {
 public:
  Walk(const Pickle& pickle, bool big_endian, const std::function<std::size_t(const TorchStorage&)>& place,
       TensorFileContents& contents)
      : pickle_(pickle), big_endian_(big_endian), place_(place), contents_(contents) {}

  void visit(PickleRef ref, int depth) {
    constexpr int deepest = 100;
    if (depth > deepest) fail("values lie more than {} deep, or within themselves", deepest);
    // A list of lists that are all the same has many more paths than values.
    if (++visits_ > Pickle::most_values) fail("more than 2^22 values");
    const PickleValue& value = pickle_[ref];
    switch (value.kind) {
      case Kind::list:
      case Kind::tuple:
        for (std::size_t i = 0; i < value.items.size(); ++i) below(std::to_string(i), value.items[i], depth);
        return;
      case Kind::dict:
        return visit_fields(value, depth);
      case Kind::call:
        return visit_tensor(value);
      case Kind::opaque:
        record(FileRecord::Opaque{std::string(value.text)});
        return visit_fields(value, depth);
      case Kind::global:
        return record(FileRecord::Opaque{std::string(value.text)});
      case Kind::bytes:
        return record(FileRecord::Opaque{"bytes"});
      case Kind::persistent:
        return record(FileRecord::Opaque{"storage"});
      case Kind::truth:
        return record(value.integer != 0);
      case Kind::integer:
        return record(value.integer);
      case Kind::real:
        return record(value.real);
      case Kind::text:
        return record(std::string(value.text));
      case Kind::none:
      case Kind::state:
        return record(std::monostate{});
    }
  }

 private:
  template <class... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> message, Args&&... args) const {
    throw FormatError("[{}] {}: {}", contents_.format, in_quotes(contents_.file),
                      fmt::format(message, std::forward<Args>(args)...));
  }

  void below(std::string_view name, PickleRef ref, int depth) {
    const std::size_t length = path_.size();
    if (depth > 0) path_ += '.';
    path_ += name;
    visit(ref, depth + 1);
    path_.resize(length);
  }

  void visit_fields(const PickleValue& value, int depth) {
    for (std::size_t i = 0; i + 1 < value.items.size(); i += 2) {
      const PickleValue &key = pickle_[value.items[i]], &field = pickle_[value.items[i + 1]];
      if (key.kind == Kind::state) {
        // A dict, or a pair of the dict and one of slots.
        if (field.kind == Kind::dict) visit_fields(field, depth);
        if (field.kind == Kind::tuple && field.items.size() == 2)
          for (const PickleRef part : field.items)
            if (pickle_[part].kind == Kind::dict) visit_fields(pickle_[part], depth);
      } else if (key.kind == Kind::text || key.kind == Kind::bytes) {
        below(key.text, value.items[i + 1], depth);
      } else if (key.kind == Kind::integer) {
        below(std::to_string(key.integer), value.items[i + 1], depth);
      } else {
        below("#" + std::to_string(i / 2), value.items[i + 1], depth);
      }
    }
  }

  std::string named(const char* alone) {
    // Long paths that repeat must not take more memory than any file of weights needs.
    constexpr std::size_t most = std::size_t{1} << 28;
    name_bytes_ += path_.size();
    if (name_bytes_ > most) fail("the names of its values have more than 2^28 characters");
    return path_.empty() ? alone : path_;
  }

  void record(decltype(FileRecord::value) value) {
    if (const auto* text = std::get_if<std::string>(&value)) name_bytes_ += text->size();
    contents_.records.push_back({named("object"), std::move(value)});
  }

  std::int64_t natural(PickleRef ref, const char* what) const {
    const PickleValue& value = pickle_[ref];
    if (value.kind != Kind::integer || value.integer < 0)
      fail("tensor {}: {} is no whole number of at least 0", in_quotes(path_), what);
    return value.integer;
  }

  void visit_tensor(const PickleValue& call) {
    const bool has_dtype = call.text.ends_with("_v3");
    const auto& arguments = pickle_[call.items[0]].items;
    if (arguments.size() < (has_dtype ? 7u : 4u)) fail("tensor {} lacks its sizes", in_quotes(path_));
    const TorchStorage storage(pickle_, arguments[0], contents_.file);
    const std::optional<NumberType> type = has_dtype ? torch_dtype(pickle_[arguments[6]].text) : storage.type;
    if (!type) {
      const std::string_view of = has_dtype ? pickle_[arguments[6]].text : storage.class_name;
      return record(FileRecord::Opaque{fmt::format("tensor of {}", of)});
    }
    FileTensor tensor;
    tensor.type = *type;
    tensor.big_endian = big_endian_;
    const auto &sizes = pickle_[arguments[2]], &strides = pickle_[arguments[3]];
    if (sizes.kind != Kind::tuple || strides.kind != Kind::tuple || sizes.items.size() != strides.items.size())
      fail("tensor {}: sizes and strides are no tuples of one length", in_quotes(path_));
    if (sizes.items.size() > Shape::max_rank)
      fail("tensor {} has {} axes; allowed: 0 to {}", in_quotes(path_), sizes.items.size(), Shape::max_rank);
    for (std::size_t axis = 0; axis < sizes.items.size(); ++axis) {
      const std::int64_t size = natural(sizes.items[axis], "a size");
      if (!tensor.shape.takes(size))
        fail("tensor {}: the axis of {} makes it too large; allowed: fewer than 2^60 numbers", in_quotes(path_), size);
      tensor.shape.push_back(size);
      tensor.strides[axis] = natural(strides.items[axis], "a stride");
    }
    tensor.offset = storage.bytes_of(static_cast<std::uint64_t>(natural(arguments[1], "its offset")), size_of(*type),
                                     contents_.file);
    tensor.storage = place_(storage);
    tensor.name = named("tensor");
    contents_.add(std::move(tensor));
  }

  const Pickle& pickle_;
  bool big_endian_;
  const std::function<std::size_t(const TorchStorage&)>& place_;
  TensorFileContents& contents_;
  std::string path_;
  std::size_t visits_ = 0, name_bytes_ = 0;
};

}  // namespace

TorchStorage::TorchStorage(const Pickle& pickle, PickleRef persistent, std::string_view file) {
  const auto fail = [&](const char* what) {
    throw FormatError("[torch] {}: {}: the file is damaged", in_quotes(file), what);
  };
  const PickleValue& named = pickle[persistent];
  if (named.kind != Kind::persistent) fail("a tensor without a storage");
  const auto& id = pickle[named.items[0]];
  if (id.kind != Kind::tuple || id.items.size() < 5 || pickle[id.items[0]].text != "storage")
    fail("what stands for a storage is none");
  const PickleValue &cls = pickle[id.items[1]], &name = pickle[id.items[2]], &items = pickle[id.items[4]];
  const StorageClass* found = cls.kind == Kind::global ? storage_class(cls.text) : nullptr;
  if (!found) fail("a storage of an unknown class");
  if (name.kind != Kind::text || items.kind != Kind::integer || items.integer < 0)
    fail("a storage without a key and a size");
  class_name = cls.text;
  type = found->type;
  item_size = found->item_size;
  key = name.text;
  count = static_cast<std::uint64_t>(items.integer);
  if (id.items.size() > 5 && pickle[id.items[5]].kind == Kind::tuple) {
    const auto& parts = pickle[id.items[5]].items;
    if (parts.size() != 3 || pickle[parts[0]].kind != Kind::text) fail("a view of a storage without a key");
    const PickleValue &begin = pickle[parts[1]], &size = pickle[parts[2]];
    if (begin.kind != Kind::integer || begin.integer < 0 || size.kind != Kind::integer || size.integer < 0)
      fail("a view of a storage without a size");
    view = View{pickle[parts[0]].text, static_cast<std::uint64_t>(begin.integer),
                static_cast<std::uint64_t>(size.integer)};
  }
}

std::size_t TorchStorage::bytes_of(std::uint64_t items, std::size_t size, std::string_view file) {
  std::size_t result = 0;
  if (__builtin_mul_overflow(items, size, &result))
    throw FormatError("[torch] {}: a storage of {} items: the file is damaged", in_quotes(file), items);
  return result;
}

void read_torch_values(const Pickle& pickle, bool big_endian,
                       const std::function<std::size_t(const TorchStorage&)>& place, TensorFileContents& contents) {
  Walk(pickle, big_endian, place, contents).visit(pickle.root(), 0);
  std::set<std::string_view> names;
  for (const FileRecord& record : contents.records)
    if (!names.insert(record.name).second || contents.index.contains(record.name))
      throw FormatError("[{}] {}: two values are called {}", contents.format, in_quotes(contents.file),
                        in_quotes(record.name));
}

}  // namespace weft
