#pragma once

#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include <zlib.h>

// Writers of zip archives and pickles for tests, which know nothing of the readers: opcode by opcode, field by field,
// so that a test can lie in each.

namespace archives {

inline std::string little(std::uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i) & 0xff);
  return text;
}

struct Entry {
  std::string name, content;
  bool deflate = false;
  std::int64_t size_lie = 0;    ///< added to the sizes that are said
  std::int64_t offset_lie = 0;  ///< added to the place that the table of contents says
  int method = -1, flags = 0;
};

inline std::string deflated(const std::string& content) {
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 9, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, content.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  ::deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

inline std::string zip(const std::vector<Entry>& entries) {
  std::string out, table;
  for (const Entry& e : entries) {
    const std::string packed = e.deflate ? deflated(e.content) : e.content;
    const auto crc = crc32(0, reinterpret_cast<const Bytef*>(e.content.data()), static_cast<uInt>(e.content.size()));
    const auto lie = static_cast<std::uint64_t>(e.size_lie);
    const std::string common = little(20, 2) + little(static_cast<std::uint64_t>(e.flags), 2) +
                               little(static_cast<std::uint64_t>(e.method >= 0 ? e.method
                                                                 : e.deflate   ? 8
                                                                               : 0),
                                      2) +
                               little(0, 4) + little(crc, 4) + little(packed.size() + (e.deflate ? 0 : lie), 4) +
                               little(e.content.size() + lie, 4) + little(e.name.size(), 2) + little(0, 2);
    table += "PK\1\2" + little(20, 2) + common + little(0, 2) + little(0, 2) + little(0, 2) + little(0, 4) +
             little(out.size() + static_cast<std::uint64_t>(e.offset_lie), 4) + e.name;
    out += "PK\3\4" + common + e.name + packed;
  }
  const std::uint64_t begin = out.size(), count = entries.size();
  return out + table + "PK\5\6" + little(0, 4) + little(count, 2) + little(count, 2) + little(table.size(), 4) +
         little(begin, 4) + little(0, 2);
}

// --- pickles, as strings of opcodes

inline std::string text(const std::string& value) { return "X" + little(value.size(), 4) + value; }
inline std::string integer(std::int64_t value) { return "\x8a\x08" + little(static_cast<std::uint64_t>(value), 8); }
inline std::string global(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}
inline std::string tuple(const std::vector<std::string>& items) {
  std::string out = "(";
  for (const auto& item : items) out += item;
  return out + "t";
}
inline std::string dict(const std::vector<std::pair<std::string, std::string>>& items) {
  std::string out = "}(";
  for (const auto& [key, value] : items) out += text(key) + value;
  return out + "u";
}
inline std::string pickled(const std::string& value) { return "\x80\2" + value + "."; }

inline std::string integers(const std::vector<std::int64_t>& values) {
  std::vector<std::string> items;
  for (const auto value : values) items.push_back(integer(value));
  return tuple(items);
}

inline std::string storage(const std::string& type, const std::string& key, std::int64_t count) {
  return tuple({text("storage"), global("torch", type), text(key), text("cpu"), integer(count)}) + "Q";
}

inline std::string tensor(const std::string& storage, std::int64_t offset, const std::vector<std::int64_t>& sizes,
                          const std::vector<std::int64_t>& strides) {
  return global("torch._utils", "_rebuild_tensor_v2") +
         tuple({storage, integer(offset), integers(sizes), integers(strides), "\x89",
                global("collections", "OrderedDict") + ")R"}) +
         "R";
}

/// A .pth file of one pickled value and its storages.
inline std::string torch_zip(const std::string& value, const std::map<std::string, std::string>& storages) {
  std::vector<Entry> entries{{"net/data.pkl", pickled(value)}};
  for (const auto& [key, bytes] : storages) entries.push_back({"net/data/" + key, bytes});
  entries.push_back({"net/version", "3\n"});
  return zip(entries);
}

/// The same before version 1.6; storages with their numbers of items.
inline std::string torch_legacy(const std::string& value,
                                const std::vector<std::tuple<std::string, std::int64_t, std::string>>& storages) {
  std::string out = "\x80\2\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19." + pickled("M\xe9\3") +
                    pickled(dict({{"little_endian", "\x88"}})) + pickled(value);
  std::string keys = "](", data;
  for (const auto& [key, count, bytes] : storages) {
    keys += text(key);
    data += little(static_cast<std::uint64_t>(count), 8) + bytes;
  }
  return out + pickled(keys + "e") + data;
}

/// An npy file of a version and a header.
inline std::string npy(const std::string& header, const std::string& data, int version = 1) {
  std::string padded = header;
  const std::size_t front = version == 1 ? 10 : 12;
  padded.resize((front + header.size() + 1 + 63) / 64 * 64 - front - 1, ' ');
  padded += '\n';
  return std::string("\x93NUMPY") + static_cast<char>(version) + '\0' + little(padded.size(), version == 1 ? 2 : 4) +
         padded + data;
}

/// The bytes of numbers.
template <class T>
std::string raw(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

}  // namespace archives
