#include "weft/networks/files/file_architecture.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <span>

#include "weft/core/error.h"
#include "weft/io/mapped_file.h"
#include "weft/io/text.h"

namespace weft {
namespace {

namespace fs = std::filesystem;

constexpr const char* wrappers[] = {"state_dict.", "model_state_dict.", "model.",  "module.", "_orig_mod.",
                                    "net.",        "network.",          "params.", "weights."};
constexpr std::size_t deepest = 3;

/// "", and below it what wraps tensors: "state_dict.", "state_dict.model."
std::vector<std::string> modules_of(const TensorFile& file) {
  std::vector<std::string> out{""};
  std::vector<std::size_t> depths{0};
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (depths[i] == deepest) continue;
    for (const char* wrapper : wrappers) {
      const std::string module = out[i] + wrapper;
      if (std::ranges::none_of(file.tensors(), [&](const FileTensor& t) { return t.name.starts_with(module); }))
        continue;
      out.push_back(module);
      depths.push_back(depths[i] + 1);
    }
  }
  return out;
}

/// Whether two tensors hold the same numbers, which may be one memory.
bool equal(const TensorFile& file, const std::string& a, const std::string& b) {
  const FileTensor &one = file.tensor(a), &other = file.tensor(b);
  if (one.same_numbers(other)) return true;
  if (one.type != other.type || one.shape != other.shape) return false;
  const auto at_a = file.view(a), at_b = file.view(b);
  if (at_a && at_b) return std::memcmp(at_a->raw(), at_b->raw(), at_a->bytes()) == 0;
  return file.packed(a) == file.packed(b);
}

/// The weights that lie outside of the module, and are no other copy of what it holds, as a mean over steps is.
std::vector<std::string> beside(const TensorFile& file, const std::string& module) {
  std::vector<std::string> out;
  std::set<std::string_view> within;
  for (const FileTensor& t : file.tensors())
    if (t.name.starts_with(module)) within.insert(std::string_view(t.name).substr(module.size()));
  for (const FileTensor& t : file.tensors()) {
    if (t.name.starts_with(module) || !StoredTensor{t.name, t.shape, is_float(t.type)}.is_weight()) continue;
    bool copy = false;
    for (std::size_t dot = t.name.find('.'); dot != std::string::npos && !copy; dot = t.name.find('.', dot + 1))
      copy = within.contains(std::string_view(t.name).substr(dot + 1));
    if (!copy) out.push_back(t.name);
  }
  return out;
}

/// A file's own config: {"channels": [16, 16]} of config.channels.0 and config.channels.1.
Json config_within(const TensorFile& file) {
  constexpr std::string_view prefix = "config.";
  Json::Object config;
  std::map<std::string, Json::List> lists;
  for (const FileRecord& record : file.records()) {
    if (!record.name.starts_with(prefix)) continue;
    const std::string name = record.name.substr(prefix.size());
    const auto value = [&]() -> std::optional<Json> {
      if (const auto* b = std::get_if<bool>(&record.value)) return Json(*b);
      if (const auto* n = std::get_if<std::int64_t>(&record.value)) return Json(*n);
      if (const auto* x = std::get_if<double>(&record.value)) return Json(*x);
      if (const auto* t = std::get_if<std::string>(&record.value)) return Json(*t);
      return {};
    }();
    if (!value) continue;
    const std::size_t dot = name.find('.');
    if (dot == std::string::npos)
      config.emplace_back(name, *value);
    else if (name.substr(dot + 1) == std::to_string(lists[name.substr(0, dot)].size()))
      lists[name.substr(0, dot)].push_back(*value);
  }
  for (auto& [name, list] : lists)
    if (!list.empty() && std::ranges::none_of(config, [&, own = name](const auto& m) { return m.first == own; }))
      config.emplace_back(name, std::move(list));
  return config;
}

}  // namespace

FoundArchitecture file_architecture(const TensorFile& file, const Json& config,
                                    const std::optional<ArchitectureText>& text) {
  if (file.tensors().empty()) throw FormatError("[architecture] no tensor in it");
  const Json own = config.object() && config.object()->empty() ? config_within(file) : config;
  const std::span<const ArchitectureText> texts = text ? std::span(&*text, 1) : std::span(architecture_texts());
  std::optional<FormatError> error;
  for (const std::string& module : modules_of(file)) {
    std::vector<StoredTensor> tensors;
    for (const FileTensor& t : file.tensors())
      if (t.name.starts_with(module)) tensors.push_back({t.name.substr(module.size()), t.shape, is_float(t.type)});
    try {
      FoundArchitecture found = found_architecture(
          {tensors, own,
           [&](const std::string& a, const std::string& b) { return equal(file, module + a, module + b); }},
          texts);
      found.files = found.files.renamed([&](const std::string& name) { return module + name; });
      found.beside = beside(file, module);
      return found;
    } catch (const FormatError& wrong) {
      // Of a checkpoint with other things the network's own part says most.
      if (!error || file.format() != "safetensors") error = wrong;
    }
  }
  throw *error;
}

ArchitectureText architecture_text_of(const std::string& given) {
  std::error_code none;  // a name may be too long for a path
  if (!fs::is_regular_file(given, none)) {
    if (given.find_first_of("/.") == std::string::npos) return architecture_text(given);
    throw ReadError("[architecture] {}: {}; allowed: a name, or a file with its text", in_quotes(given),
                    fs::exists(given, none) ? "no regular file" : "no such file");
  }
  const MappedFile file(given);
  const ArchitectureText text{fs::path(given).stem().string(),
                              {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()}};
  text.parsed();  // its faults are told before a network is read
  return text;
}

Json read_config(const fs::path& path) {
  const MappedFile file(path);
  const auto bytes = file.bytes();
  try {
    Json config = Json::parse({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    if (!config.object()) throw FormatError("another value");
    return config;
  } catch (const FormatError& wrong) {
    throw FormatError("[architecture] config {}: no JSON object, as {{\"hidden_size\": 64}} would be: {}",
                      in_quotes(path.native()), wrong.what());
  }
}

Json config_beside(const fs::path& path) {
  std::error_code none;
  if (fs::is_directory(path, none)) {
    const fs::path config = path / "config.json";
    return fs::is_regular_file(config, none) ? read_config(config) : Json(Json::Object{});
  }
  const fs::path folder = path.parent_path();
  std::vector<fs::path> names;
  for (fs::path stem = path.stem(); !stem.empty(); stem = stem.stem()) {
    names.push_back(stem.native() + ".config.json");
    if (!stem.has_extension()) break;
  }
  names.emplace_back("config.json");
  for (const fs::path& name : names)
    if (fs::is_regular_file(folder / name, none)) return read_config(folder / name);
  return Json::Object{};
}

std::vector<std::string> uncovered(const TensorFile& file, const FileSpace& files) {
  std::set<std::string_view> known;
  for (const FileEntry& entry : files.files)
    for (const auto* names : {&entry.names, &entry.ties}) known.insert(names->begin(), names->end());
  std::vector<std::string> out;
  for (const FileTensor& t : file.tensors())
    if (is_float(t.type) && !known.contains(t.name)) out.push_back(t.name);
  return out;
}

}  // namespace weft
