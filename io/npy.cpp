#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>

#include "weft/core/error.h"
#include "weft/io/tensor_file_contents.h"
#include "weft/io/text.h"
#include "weft/io/zip_archive.h"

namespace weft {
namespace {

constexpr std::string_view magic = "\x93NUMPY";

/// What is at the front of an array: six bytes, a version of two, the length of the header in 2 or 4 bytes, and a
/// literal of Python: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }.
class NpyHeader {
 public:
  FileTensor tensor;
  std::size_t data_begin = 0;

  /// `what` names the array in messages.
  NpyHeader(std::span<const std::byte> bytes, std::string_view what) : what_(what) {
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (!text.starts_with(magic)) fail("no array: it does not begin with \\x93NUMPY");
    if (text.size() < 10) fail("it ends within its header: truncated");
    const int version = text[6];
    if (version < 1 || version > 3 || text[7] != 0)
      fail("version {}.{} of the format; allowed: 1.0, 2.0, 3.0", version, int{text[7]});
    std::size_t length = 0;
    const std::size_t length_bytes = version == 1 ? 2 : 4, begin = magic.size() + 2 + length_bytes;
    if (text.size() < begin) fail("it ends within its header: truncated");
    std::memcpy(&length, text.data() + magic.size() + 2, length_bytes);
    constexpr std::size_t longest = 65536;
    if (length > longest) fail("a header of {} bytes; allowed: at most {}", length, longest);
    if (length > text.size() - begin) fail("it ends within its header: truncated");
    data_begin = begin + length;
    rest_ = text.substr(begin, length);
    read();
  }

 private:
  template <class... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> message, Args&&... args) const {
    throw FormatError("[npy] {}: {}", what_, fmt::format(message, std::forward<Args>(args)...));
  }

  void skip_blanks() {
    while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\n' || rest_[0] == '\t')) rest_.remove_prefix(1);
  }

  /// Whether the next sign is this one, which is then read.
  bool take(char sign) {
    skip_blanks();
    if (!rest_.starts_with(sign)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  void expect(char sign) {
    if (!take(sign)) fail("its header is damaged: {} where '{}' is due", in_quotes(rest_.substr(0, 20)), sign);
  }

  std::string_view take_text() {
    skip_blanks();
    const char quote = rest_.empty() ? '\0' : rest_[0];
    const auto end = quote == '\'' || quote == '"' ? rest_.find(quote, 1) : rest_.npos;
    if (end == rest_.npos) fail("its header is damaged: {} where a text is due", in_quotes(rest_.substr(0, 20)));
    const std::string_view text = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    return text;
  }

  void read() {
    bool seen[3] = {false, false, false}, fortran = false;
    const auto once = [&](int which, std::string_view key) {
      if (seen[which]) fail("its header has {} twice", in_quotes(key));
      seen[which] = true;
    };
    expect('{');
    while (!take('}')) {
      const std::string_view key = take_text();
      expect(':');
      if (key == "descr") {
        once(0, key);
        read_type();
      } else if (key == "fortran_order") {
        once(1, key);
        fortran = read_truth();
      } else if (key == "shape") {
        once(2, key);
        read_shape();
      } else {
        fail("its header has {}; allowed: descr, fortran_order, shape", in_quotes(key));
      }
      if (!take(',')) {
        expect('}');
        break;
      }
    }
    skip_blanks();
    if (!rest_.empty()) fail("its header goes on behind its end with {}", in_quotes(rest_));
    if (!seen[0] || !seen[1] || !seen[2]) fail("its header lacks one of descr, fortran_order, shape");
    tensor.strides = row_major_strides(tensor.shape);
    if (!fortran) return;
    std::int64_t stride = 1;
    for (int axis = 0; axis < tensor.shape.rank(); ++axis) {
      tensor.strides[static_cast<std::size_t>(axis)] = stride;
      stride *= tensor.shape[axis];
    }
  }

  void read_type() {
    skip_blanks();
    if (rest_.starts_with('[')) fail("an array of records with fields; save each field by itself");
    const std::string_view text = take_text();
    const char order = text.empty() ? '\0' : text[0];
    constexpr std::pair<std::string_view, NumberType> types[] = {
        {"f8", NumberType::f64}, {"f4", NumberType::f32}, {"f2", NumberType::f16}, {"i8", NumberType::i64},
        {"i4", NumberType::i32}, {"i2", NumberType::i16}, {"i1", NumberType::i8},  {"u8", NumberType::u64},
        {"u4", NumberType::u32}, {"u2", NumberType::u16}, {"u1", NumberType::u8},  {"b1", NumberType::boolean}};
    const auto* found = std::find_if(std::begin(types), std::end(types),
                                     [&](const auto& row) { return !text.empty() && row.first == text.substr(1); });
    if (found == std::end(types) || !std::strchr("<>|=", order) || !order)
      fail("numbers of type {}{}; allowed: f2 to f8, i1 to i8, u1 to u8, b1", in_quotes(text),
           text.ends_with('O')                           ? ", pickled Python objects"
           : text.size() > 1 && text.substr(1, 1) == "c" ? ", which are complex"
                                                         : "");
    tensor.type = found->second;
    tensor.big_endian = order == '>';
  }

  bool read_truth() {
    skip_blanks();
    for (const std::string_view word : {"True", "False"})
      if (rest_.starts_with(word)) {
        rest_.remove_prefix(word.size());
        return word == "True";
      }
    fail("its header is damaged: {} where True or False is due", in_quotes(rest_.substr(0, 20)));
  }

  void read_shape() {
    expect('(');
    while (!take(')')) {
      skip_blanks();
      std::int64_t size = 0;
      const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), size);
      if (error != std::errc{} || size < 0)
        fail("its header is damaged: {} where a size is due", in_quotes(rest_.substr(0, 20)));
      rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
      if (rest_.starts_with('L')) rest_.remove_prefix(1);  // as Python 2 wrote long numbers
      if (tensor.shape.rank() == Shape::max_rank)
        fail("more than {} axes; allowed: 0 to {}", Shape::max_rank, Shape::max_rank);
      if (!tensor.shape.takes(size)) fail("the axis of {} makes it too large; allowed: fewer than 2^60 numbers", size);
      tensor.shape.push_back(size);
      if (!take(',')) {
        expect(')');
        break;
      }
    }
  }

  std::string_view what_, rest_;
};

/// A whole array: its header says exactly how many bytes follow.
NpyHeader checked_header(std::span<const std::byte> front, std::size_t size, std::string_view what) {
  NpyHeader header(front, what);
  if (size - header.data_begin != header.tensor.bytes())
    throw FormatError("[npy] {}: {} of shape {} takes {} bytes; the file has {} for it: it is truncated or damaged",
                      what, name(header.tensor.type), header.tensor.shape.str(), header.tensor.bytes(),
                      size - header.data_begin);
  return header;
}

}  // namespace

void read_npy(std::span<const std::byte> bytes, TensorFileContents& contents) {
  contents.format = "npy";
  auto header = checked_header(bytes, bytes.size(), in_quotes(contents.file));
  const auto data = bytes.subspan(header.data_begin);
  contents.storages.push_back({data.size(), data, {}});
  header.tensor.name = "tensor";
  contents.add(std::move(header.tensor));
}

void read_npz(std::span<const std::byte> bytes, TensorFileContents& contents) {
  contents.format = "npz";
  constexpr std::string_view ending = ".npy";
  const auto zip = std::make_shared<const ZipArchive>(bytes, "npz", contents.file);
  for (const ZipEntry& entry : zip->entries()) {
    if (!entry.name.ends_with(ending))
      throw FormatError("[npz] {}: an archive of arrays with {}; allowed: names that end in .npy",
                        in_quotes(contents.file), in_quotes(entry.name));
    const std::string what = fmt::format("{} in {}", in_quotes(entry.name), in_quotes(contents.file));
    // A header has at most so many bytes before the data.
    constexpr std::size_t longest = 66000;
    const auto front = entry.stored ? std::vector<std::byte>() : zip->unpack_front(entry, longest);
    auto header = checked_header(entry.stored ? entry.raw : std::span<const std::byte>(front), entry.size, what);
    header.tensor.storage = contents.storages.size();
    header.tensor.name = entry.name.substr(0, entry.name.size() - ending.size());
    if (entry.stored) {
      const auto data = entry.raw.subspan(header.data_begin);
      contents.storages.push_back({data.size(), data, {}});
    } else {
      header.tensor.offset = header.data_begin;
      contents.storages.push_back({entry.size, {}, [zip, at = &entry] { return zip->unpack(*at); }});
    }
    contents.add(std::move(header.tensor));
  }
}

}  // namespace weft
