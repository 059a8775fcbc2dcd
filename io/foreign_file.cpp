#include "weft/io/foreign_file.h"

#include <algorithm>

#include "weft/core/error.h"
#include "weft/io/json.h"
#include "weft/io/safetensors_header.h"
#include "weft/io/text.h"
#include "weft/io/zip_archive.h"

namespace weft {
namespace {

using namespace std::string_view_literals;

[[noreturn]] void refuse(std::string_view file, std::string_view what) {
  throw FormatError("[tensors] {}: {}", in_quotes(file), what);
}

constexpr std::string_view read_formats = "; allowed: safetensors, PyTorch's .pt, .pth and .bin, npy, npz";

struct Sign {
  std::string_view begin;
  std::string_view what;
};

/// Files of weights in other formats: converted where the library that wrote them is at hand.
constexpr Sign weights[] = {
    {"\x89HDF\r\n\x1a\n"sv,
     "an HDF5 file, as Keras writes. Python converts it: import h5py, safetensors.numpy as s; t = {}; "
     "h5py.File(FILE).visititems(lambda n, x: t.update({n: x[()]}) if hasattr(x, 'dtype') else None); "
     "s.save_file(t, OUT)"},
    {"GGUF"sv,
     "a GGUF file, of llama.cpp. Python converts it: from transformers import AutoModelForCausalLM as M; "
     "M.from_pretrained(FOLDER, gguf_file=FILE).save_pretrained(OUT)"},
    {"lmgg"sv, "a GGML file, of llama.cpp before GGUF: take the checkpoint that it was made from"},
    {"tjgg"sv, "a GGML file, of llama.cpp before GGUF: take the checkpoint that it was made from"}};

constexpr Sign others[] = {
    {"version https://git-lfs"sv,
     "a git-lfs pointer in place of the file itself; `git lfs pull` in its repository fetches it"},
    {"\x89PNG\r\n\x1a\n"sv, "a PNG image"},
    {"\xff\xd8\xff"sv, "a JPEG image"},
    {"GIF8"sv, "a GIF image"},
    {"\x1f\x8b"sv, "a gzip file; unpack it by gunzip"},
    {"BZh"sv, "a bzip2 file; unpack it by bunzip2"},
    {"\xfd"
     "7zXZ\0"sv,
     "an xz file; unpack it by unxz"},
    {"\x28\xb5\x2f\xfd"sv, "a zstd file; unpack it by unzstd"},
    {"7z\xbc\xaf\x27\x1c"sv, "a 7z archive; unpack it"},
    {"Rar!"sv, "a RAR archive; unpack it"},
    {"%PDF"sv, "a PDF file"},
    {"\x7f"
     "ELF"sv,
     "a program"}};

bool is_tar(std::string_view text) { return text.size() > 262 && text.substr(257, 5) == "ustar"; }

/// A protocol buffer whose first field is a small version, its second the producer's name or an operator set.
bool is_onnx(std::string_view text) {
  return text.size() > 16 && text[0] == 0x08 && text[1] > 0 && text[1] < 32 &&
         (text[2] == 0x12 || text[2] == 0x3a || text[2] == 0x42);
}

/// A map of messagepack whose first key is a text.
bool is_msgpack(std::string_view text) {
  if (text.size() < 4) return false;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const bool small = byte(0) > 0x80 && byte(0) <= 0x8f, wide = byte(0) == 0xde;
  const unsigned char key = byte(wide ? 3 : 1);
  return (small || wide) && ((key > 0xa0 && key <= 0xbf) || key == 0xd9);
}

bool is_text(std::string_view text) {
  const std::string_view front = text.substr(0, 512);
  return std::all_of(front.begin(), front.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    const bool never_utf8 = byte == 0xc0 || byte == 0xc1 || byte >= 0xf5;
    return (byte >= 0x20 && !never_utf8) || c == '\n' || c == '\r' || c == '\t' || c == '\f';
  });
}

bool begins_like(std::string_view text, std::string_view word) {
  return text.size() >= word.size() && std::equal(word.begin(), word.end(), text.begin(), [](char a, char b) {
           return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b + 32) : b);
         });
}

[[noreturn]] void refuse_text(std::string_view text, std::string_view file) {
  const auto first = text.find_first_not_of(" \t\r\n");
  const std::string_view rest = first == text.npos ? "" : text.substr(first);
  if (begins_like(rest, "<!doctype html") || begins_like(rest, "<html"))
    refuse(file, "a web page (HTML), as a download gives that has failed; fetch the file itself");
  if (rest.starts_with('{') || rest.starts_with('['))
    refuse(file, std::string("a JSON text") + std::string(read_formats));
  refuse(file, fmt::format("a text, beginning with {}{}", in_quotes(rest.substr(0, 30)), read_formats));
}

FileFormat zip_format(std::span<const std::byte> bytes, std::string_view file) {
  const ZipArchive zip(bytes, "tensors", file);
  bool torch = false, script = false, arrays = false, keras = false;
  std::vector<std::string_view> names;
  for (const ZipEntry& entry : zip.entries()) {
    const std::string_view name = entry.name;
    names.push_back(name);
    const auto slash = name.find('/');
    const std::string_view inner = slash == name.npos ? name : name.substr(slash + 1);
    torch = torch || (slash != name.npos && inner == "data.pkl");
    script = script || inner == "constants.pkl" || inner.starts_with("code/");
    arrays = arrays || name.ends_with(".npy");
    keras = keras || name == "model.weights.h5";
  }
  if (script)
    refuse(file,
           "a TorchScript archive, which holds code. Python converts it: torch.save(torch.jit.load(FILE).state_dict(), "
           "OUT)");
  if (torch) return FileFormat::torch_zip;
  if (keras)
    refuse(file,
           "a Keras archive. Python converts it: import keras, safetensors.numpy as s; s.save_file({w.path: w.numpy() "
           "for w in keras.models.load_model(FILE).weights}, OUT)");
  if (arrays) return FileFormat::npz;
  refuse(file, fmt::format("a zip archive without tensors, with the files {}; PyTorch's have data.pkl, npz has .npy",
                           listed(names)));
}

}  // namespace

FileFormat file_format(std::span<const std::byte> bytes, std::string_view file) {
  if (bytes.empty()) refuse(file, "an empty file");
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const auto begins = [&](const Sign& sign) { return text.starts_with(sign.begin); };
  const bool maybe_safetensors = text.size() > 8 && text[8] == '{';
  if (maybe_safetensors && text[4] == 0 && text[5] == 0 && text[6] == 0 && text[7] == 0) return FileFormat::safetensors;
  if (text.starts_with("PK\3\4") || text.starts_with("PK\5\6")) return zip_format(bytes, file);
  if (text.starts_with("\x93NUMPY")) return FileFormat::npy;
  if (text.size() > 2 && text[0] == '\x80' && text[1] >= 2 && text[1] <= 5) return FileFormat::pickle;
  for (const auto& signs : {std::span<const Sign>(weights), std::span<const Sign>(others)})
    if (const auto found = std::find_if(signs.begin(), signs.end(), begins); found != signs.end())
      refuse(file, found->what);
  if (is_tar(text)) refuse(file, "a tar archive; unpack it, and name a file in it");
  if (is_text(text)) refuse_text(text, file);
  if (is_onnx(text))
    refuse(file,
           "an ONNX model. Python converts it: import onnx, safetensors.numpy as s; s.save_file({t.name: "
           "onnx.numpy_helper.to_array(t) for t in onnx.load(FILE).graph.initializer}, OUT)");
  if (maybe_safetensors) return FileFormat::safetensors;  // which says what is wrong with it
  if (is_msgpack(text))
    refuse(file,
           "messagepack, as Flax writes. Python converts it: import flax, safetensors.flax as s; "
           "s.save_file(flax.traverse_util.flatten_dict(flax.serialization.msgpack_restore(open(FILE, 'rb').read()), "
           "sep='.'), OUT)");
  refuse(file,
         fmt::format("beginning with {}, of no format that weft knows{}", in_quotes(text.substr(0, 8)), read_formats));
}

void refuse_quantised(const TensorFileContents& contents) {
  struct Code {
    std::string_view ending, also, who;
  };
  // The second ending must be there too, for the first alone could be anybody's.
  constexpr Code codes[] = {{".qweight", ".qzeros", "GPTQ or AWQ"},
                            {".absmax", ".quant_map", "bitsandbytes in 4 bits"},
                            {".SCB", ".weight", "bitsandbytes in 8 bits"}};
  for (const auto& [ending, also, who] : codes)
    for (const FileTensor& tensor : contents.tensors) {
      if (!tensor.name.ends_with(ending)) continue;
      const std::string stem = tensor.name.substr(0, tensor.name.size() - ending.size());
      if (contents.index.contains(stem + std::string(also)))
        refuse(contents.file,
               fmt::format("a checkpoint quantised by {} (it has {}), whose numbers are codes. Python converts it: "
                           "M.from_pretrained(FOLDER, device_map='cpu').dequantize().save_pretrained(OUT) "
                           "with M = transformers.AutoModelForCausalLM",
                           who, in_quotes(tensor.name)));
    }
}

}  // namespace weft
