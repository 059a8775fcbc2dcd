#include "weft/apps/network_option.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "weft/apps/run_folder.h"
#include "weft/io/folder.h"

namespace weft::apps {

namespace fs = std::filesystem;

namespace {

std::string text_of(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  if (!stream) throw FormatError("[weft] --space '{}' cannot be read", path);
  return text;
}

std::optional<Space> given_space(const std::string& given) {
  if (given.empty()) return {};
  std::error_code none;  // a text may be too long for a path
  const bool file = fs::is_regular_file(given, none);
  try {
    Space space = Space::parse(file ? text_of(given) : given);
    // So reads the name of a file that is not there, say.
    if (std::ranges::all_of(space.tensors(), [](const SpaceTensor& t) { return t.axes.empty(); }))
      throw ParseError("no tensor has an axis");
    return space;
  } catch (const Error& wrong) {
    throw UsageError("[weft] --space '{}': {}{}; allowed: 'in: fixed(3); h: permutation(8) W[h, in*]' or the like",
                     given, file ? "" : "no such file, and no space: ", wrong.what());
  }
}

}  // namespace

void add_network(CLI::App& verb, std::string& path) {
  verb.add_option("network,--network", path, "a network: safetensors, PyTorch, numpy, or a folder with one")
      ->required()
      ->type_name("FILE");
}

void add_network_options(CLI::App& verb, NetworkOptions& given, bool with_space) {
  if (with_space)
    verb.add_option("--space", given.space,
                    "the networks' space, or a file with its text, where a file does not name it")
        ->type_name("TEXT|FILE");
  verb.add_option(
          "--architecture", given.architecture,
          "the architecture of files of other programs: a name, or a file with its text; else they find their own")
      ->type_name("NAME|FILE");
  verb.add_option("--model-config", given.config,
                  "their config.json; else NAME.config.json or config.json beside each of them")
      ->type_name("FILE");
}

NetworkReading reading(const NetworkOptions& given) {
  NetworkReading out{.space = given_space(given.space)};
  if (!given.architecture.empty()) out.architecture = architecture_text_of(given.architecture);
  if (!given.config.empty()) out.config = read_config(given.config);
  return out;
}

NetworkReading reading_as(const Space& space, const NetworkOptions& given) {
  NetworkReading out = reading(given);
  out.space = space;
  return out;
}

NetworkSource open_network(const std::string& path, const NetworkReading& reading, const Common& common) {
  if (fs::is_directory(path))
    if (const std::string kind = folder_kind(path); !kind.empty())
      throw FormatError("[network] '{}' is a directory, {}", path, kind);
  NetworkSource source = NetworkSource::open(path, reading);
  if (const FoundArchitecture& found = source.architecture; !found.doubt.empty())
    common.remark(fmt::format(
        "'{}': its config says model_type '{}'; taken for {} by its tensors, whose group may be another one "
        "(--architecture says which text is right)",
        path, found.doubt, found.name));
  return source;
}

NetworkFile load_known_network(const std::string& path, const NetworkReading& reading, const Common& common) {
  NetworkSource source = open_network(path, reading, common);
  source.require_known();
  for (const std::string& note : source.architecture.files.text.notes)
    common.remark(fmt::format("'{}', taken for granted: {}", path, note));
  return NetworkFile::of(std::move(source));
}

NetworkFile load_network(const std::string& path, const NetworkReading& reading, const Common& common) {
  return NetworkFile::of(open_network(path, reading, common));
}

std::vector<fs::path> files_read(const std::string& path, const NetworkOptions& given) {
  std::vector<fs::path> out{path, given.space, given.architecture, given.config};
  // Shards, their index and a config lie beside each other.
  std::error_code none;
  const fs::path folder = fs::is_directory(path, none) ? fs::path(path) : fs::path(path).parent_path();
  const bool all = fs::is_directory(path, none) || fs::path(path).extension() == ".json";
  for (const std::string& name : names_in(folder.empty() ? "." : folder))
    if (all || name.ends_with("config.json")) out.push_back(folder / name);
  return out;
}

}  // namespace weft::apps
