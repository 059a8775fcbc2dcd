#include "weft/io/safetensors_header.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>
#include <set>

#include "weft/core/arena.h"
#include "weft/core/error.h"
#include "weft/io/json.h"
#include "weft/io/safetensors_json.h"
#include "weft/io/text.h"

namespace weft {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors files are little-endian; swap bytes here");

constexpr std::size_t length_bytes = sizeof(std::uint64_t);

template <class... Args>
[[noreturn]] void fail(std::string_view file, fmt::format_string<Args...> message, Args&&... args) {
  throw FormatError("[safetensors] {}: {}", in_quotes(file), fmt::format(message, std::forward<Args>(args)...));
}

/// Refuses what other programs save weights as, by the first bytes; a safetensors file goes on with '{'.
void check_foreign(std::span<const std::byte> bytes, std::string_view file) {
  if (bytes.size() <= length_bytes || bytes[length_bytes] == std::byte{'{'}) return;
  const std::string_view begin(reinterpret_cast<const char*>(bytes.data()), length_bytes);
  const bool zip = begin.starts_with("PK\3\4"), pickle = begin[0] == '\x80' && begin[1] >= 2 && begin[1] <= 5;
  if (zip || pickle)
    fail(file,
         "{}; allowed: safetensors files. Python writes one of PyTorch's weights by "
         "safetensors.torch.save_file(torch.load(FILE, weights_only=True), OUT)",
         zip ? "a zip archive, as .pth, .pt and .npz files are" : "a Python pickle, as older .pth and .pt files are");
  if (begin == "\x89HDF\r\n\x1a\n") fail(file, "an HDF5 file; allowed: safetensors files");
}

/// weft's own types as weft calls them.
const char* spoken(NumberType type) {
  const auto dtype = dtype_of_number(type);
  return dtype ? name(*dtype) : name(type);
}

void check_entry(const SafeTensorsEntry& entry, std::size_t data_bytes, std::string_view file) {
  if (entry.begin > entry.end)
    fail(file, "tensor {} begins at byte {} of the data and ends at {}", in_quotes(entry.name), entry.begin, entry.end);
  if (entry.end > data_bytes)
    fail(file, "tensor {} ends at byte {} of the data, which has {} bytes: the file is truncated or its header wrong",
         in_quotes(entry.name), entry.end, data_bytes);
  const std::size_t bytes = static_cast<std::size_t>(entry.shape.numel()) * size_of(entry.type);
  if (entry.end - entry.begin != bytes)
    fail(file, "tensor {}: {} of shape {} takes {} bytes; the file has {} for it", in_quotes(entry.name),
         spoken(entry.type), entry.shape.str(), bytes, entry.end - entry.begin);
}

/// Tensors must tile the data: what no tensor covers could hide anything, and what two cover is written twice.
void check_layout(const std::vector<SafeTensorsEntry>& entries, std::size_t data_bytes, std::string_view file) {
  std::vector<std::size_t> order(entries.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return std::pair(entries[a].begin, entries[a].end) < std::pair(entries[b].begin, entries[b].end);
  });
  std::size_t expected = 0;
  for (std::size_t i : order) {
    const auto& entry = entries[i];
    if (entry.begin != expected)
      fail(file, "tensor {} begins at byte {} of the data, the tensor before it ends at {}: {}", in_quotes(entry.name),
           entry.begin, expected, entry.begin > expected ? "gaps are not allowed" : "tensors may not overlap");
    expected = entry.end;
  }
  if (expected != data_bytes) fail(file, "{} bytes follow the last tensor; allowed: none", data_bytes - expected);
}

std::string json_text(std::string_view text, const char* what) {
  try {
    return json_string(text);
  } catch (const UsageError&) {
    throw UsageError("[safetensors] {} {} is not UTF-8", what, in_quotes(text));
  }
}

}  // namespace

SafeTensorsHeader SafeTensorsHeader::parse(std::span<const std::byte> bytes, std::string_view file,
                                           SafeTensorsTypes types) {
  if (bytes.size() < length_bytes)
    fail(file, "{} bytes; a safetensors file has at least 8, the length of its header", bytes.size());
  check_foreign(bytes, file);
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), length_bytes);
  if (length == 0) fail(file, "the header has length 0; the shortest one is '{{}}'");
  if (length > max_bytes) fail(file, "the header has length {}; allowed: at most {}", length, max_bytes);
  if (length > bytes.size() - length_bytes)
    fail(file, "the header has length {}, but only {} bytes follow: the file is truncated or not safetensors", length,
         bytes.size() - length_bytes);

  SafeTensorsHeader header;
  header.data_begin = length_bytes + length;
  const auto* text = reinterpret_cast<const char*>(bytes.data()) + length_bytes;
  read_safetensors_json({text, length}, file, types, header);
  const std::size_t data_bytes = bytes.size() - header.data_begin;
  for (const auto& entry : header.entries) check_entry(entry, data_bytes, file);
  check_layout(header.entries, data_bytes, file);
  return header;
}

std::string SafeTensorsHeader::format(std::span<const SafeTensorsEntry> entries,
                                      const std::map<std::string, std::string>& metadata) {
  std::string text(length_bytes, '\0');
  auto separator = [first = true]() mutable { return std::exchange(first, false) ? "" : ","; };
  text += '{';
  if (!metadata.empty()) {
    text += fmt::format("{}\"{}\":{{", separator(), metadata_key);
    auto comma = [first = true]() mutable { return std::exchange(first, false) ? "" : ","; };
    for (const auto& [key, value] : metadata)
      text += fmt::format("{}{}:{}", comma(), json_text(key, "metadata key"), json_text(value, "metadata value"));
    text += '}';
  }
  for (const auto& entry : entries)
    text += fmt::format(R"({}{}:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})", separator(),
                        json_text(entry.name, "tensor name"), name(entry.type), fmt::join(entry.shape.sizes(), ","),
                        entry.begin, entry.end);
  text += '}';
  text.resize((text.size() + Arena::alignment - 1) / Arena::alignment * Arena::alignment, ' ');
  const std::uint64_t length = text.size() - length_bytes;
  if (length > max_bytes)
    throw UsageError("[safetensors] a header of {} bytes; allowed: at most {}: use fewer tensors or shorter metadata",
                     length, max_bytes);
  std::memcpy(text.data(), &length, length_bytes);
  return text;
}

SafeTensorsLayout::SafeTensorsLayout(std::vector<SafeTensorsEntry> entries,
                                     const std::map<std::string, std::string>& metadata)
    : order(entries.size()) {
  std::set<std::string_view> seen;
  for (const auto& entry : entries) {
    if (entry.name.empty() || entry.name == SafeTensorsHeader::metadata_key)
      throw UsageError("[safetensors] a tensor named {}; allowed: any other text", in_quotes(entry.name));
    if (!seen.insert(entry.name).second)
      throw UsageError("[safetensors] two tensors are named {}", in_quotes(entry.name));
  }
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return size_of(entries[a].type) > size_of(entries[b].type); });
  std::size_t offset = 0;
  for (std::size_t i : order) {
    entries[i].begin = offset;
    offset += static_cast<std::size_t>(entries[i].shape.numel()) * size_of(entries[i].type);
    entries[i].end = offset;
  }
  header = SafeTensorsHeader::format(entries, metadata);
}

}  // namespace weft
