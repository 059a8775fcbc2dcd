#include <algorithm>
#include <cstring>

#include "weft/core/error.h"
#include "weft/io/text.h"
#include "weft/io/torch_tensors.h"
#include "weft/io/zip_archive.h"

namespace weft {
namespace {

template <class... Args>
[[noreturn]] void fail(const TensorFileContents& contents, fmt::format_string<Args...> message, Args&&... args) {
  throw FormatError("[{}] {}: {}", contents.format, in_quotes(contents.file),
                    fmt::format(message, std::forward<Args>(args)...));
}

std::span<const std::byte> content_of(const ZipArchive& zip, const ZipEntry& entry, TensorFileContents& contents) {
  if (entry.stored) return entry.raw;
  const auto unpacked = std::make_shared<const std::vector<std::byte>>(zip.unpack(entry));
  contents.owners.push_back(unpacked);
  return *unpacked;
}

void check_size(std::size_t have, const TorchStorage& storage, const TensorFileContents& contents) {
  const std::size_t need = TorchStorage::bytes_of(storage.count, storage.item_size, contents.file);
  if (have < need)
    fail(contents, "storage {} has {} bytes; its tensors ask for {}: the file is truncated or damaged",
         in_quotes(storage.key), have, need);
}

}  // namespace

void read_torch_zip(std::span<const std::byte> bytes, TensorFileContents& contents) {
  contents.format = "torch";
  const auto zip = std::make_shared<const ZipArchive>(bytes, "torch", contents.file);
  // All lies in one folder, called as the file was when it was saved.
  const auto& entries = zip->entries();
  const auto found =
      std::find_if(entries.begin(), entries.end(), [](const ZipEntry& e) { return e.name.ends_with("/data.pkl"); });
  if (found == entries.end()) fail(contents, "an archive without data.pkl");
  const std::string folder = found->name.substr(0, found->name.size() - std::string_view("data.pkl").size());
  bool big_endian = false;
  if (const ZipEntry* order = zip->find(folder + "byteorder")) {
    const auto text = content_of(*zip, *order, contents);
    big_endian = text.size() == 3 && std::memcmp(text.data(), "big", 3) == 0;
  }
  const Pickle pickle(content_of(*zip, *found, contents), contents.file);
  std::map<std::string, std::size_t, std::less<>> places;
  const auto place = [&](const TorchStorage& storage) {
    const ZipEntry* entry = zip->find(folder + "data/" + std::string(storage.key));
    if (!entry) fail(contents, "no storage {} in the archive, of which a tensor is a view", in_quotes(storage.key));
    check_size(entry->size, storage, contents);
    const auto [at, is_new] = places.try_emplace(std::string(storage.key), contents.storages.size());
    if (is_new && entry->stored)
      contents.storages.push_back({entry->size, entry->raw, {}});
    else if (is_new)
      contents.storages.push_back({entry->size, {}, [zip, entry] { return zip->unpack(*entry); }});
    return at->second;
  };
  read_torch_values(pickle, big_endian, place, contents);
}

void read_torch_legacy(std::span<const std::byte> bytes, TensorFileContents& contents) {
  contents.format = "legacy torch";
  // Five pickles: a number that says torch, a version, the machine's integers, the object, the keys of its storages;
  // then each storage in the order of the keys, its number of items in 8 bytes before it.
  const auto next = [&](std::span<const std::byte>& rest) {
    Pickle pickle(rest, contents.file);
    rest = rest.subspan(pickle.size());
    return pickle;
  };
  std::span<const std::byte> rest = bytes;
  const Pickle first = next(rest);
  constexpr std::string_view magic = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
  const std::string_view begin(reinterpret_cast<const char*>(bytes.data()), first.size());
  if (begin.size() > 40 || begin.find(magic) == begin.npos)
    fail(contents,
         "a Python pickle, but none that torch.save wrote. Python writes what it holds by "
         "safetensors.numpy.save_file({{name: array, ...}}, OUT)");
  const Pickle version = next(rest);
  if (const auto& value = version[version.root()]; value.kind != PickleValue::Kind::integer || value.integer != 1001)
    fail(contents, "version {} of the stream of torch.save; allowed: 1001", value.integer);
  next(rest);
  const Pickle object = next(rest);
  const Pickle keys = next(rest);

  std::map<std::string_view, TorchStorage> known;
  for (PickleRef ref = 0; ref < object.count(); ++ref)
    if (object[ref].kind == PickleValue::Kind::persistent) {
      const TorchStorage storage(object, ref, contents.file);
      known.try_emplace(storage.key, storage);
    }
  std::map<std::string_view, std::size_t> places;
  for (const PickleRef ref : keys[keys.root()].items) {
    const auto found = known.find(keys[ref].text);
    if (found == known.end()) fail(contents, "a storage {} that no tensor views", in_quotes(keys[ref].text));
    const TorchStorage& storage = found->second;
    std::uint64_t count = 0;
    if (rest.size() < sizeof count) fail(contents, "it ends before storage {}: truncated", in_quotes(storage.key));
    std::memcpy(&count, rest.data(), sizeof count);
    rest = rest.subspan(sizeof count);
    const std::size_t size = TorchStorage::bytes_of(count, storage.item_size, contents.file);
    if (count != storage.count || size > rest.size())
      fail(contents, "storage {} has {} items, {} are announced, and {} bytes follow: the file is truncated or damaged",
           in_quotes(storage.key), count, storage.count, rest.size());
    if (!places.try_emplace(storage.key, contents.storages.size()).second)
      fail(contents, "storage {} is there twice", in_quotes(storage.key));
    contents.storages.push_back({size, rest.first(size), {}});
    rest = rest.subspan(size);
  }
  std::map<std::pair<std::size_t, std::string_view>, std::size_t> views;
  const auto place = [&](const TorchStorage& storage) {
    const auto found = places.find(storage.key);
    if (found == places.end()) fail(contents, "no storage {}, of which a tensor is a view", in_quotes(storage.key));
    const std::size_t whole = found->second;
    check_size(contents.storages[whole].size, storage, contents);
    if (!storage.view) return whole;
    const auto [at, is_new] = views.try_emplace({whole, storage.view->key}, contents.storages.size());
    if (!is_new) return at->second;
    const std::size_t view_begin = TorchStorage::bytes_of(storage.view->begin, storage.item_size, contents.file);
    const std::size_t size = TorchStorage::bytes_of(storage.view->count, storage.item_size, contents.file);
    const auto all = contents.storages[whole].bytes;
    if (view_begin > all.size() || size > all.size() - view_begin)
      fail(contents, "a view of storage {} ends behind it: the file is damaged", in_quotes(storage.key));
    contents.storages.push_back({size, all.subspan(view_begin, size), {}});
    return at->second;
  };
  read_torch_values(object, false, place, contents);
}

}  // namespace weft
