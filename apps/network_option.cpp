#include "weft/apps/network_option.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "weft/apps/run_folder.h"

namespace weft::apps {

namespace fs = std::filesystem;

void add_space(CLI::App& verb, std::string& given) {
  verb.add_option("--space", given, "the networks' space, or a file with its text, where a file does not name it")
      ->type_name("TEXT|FILE");
}

std::optional<Space> given_space(const std::string& given) {
  if (given.empty()) return {};
  std::string text = given;
  std::error_code error;  // a text may be too long for a path
  const bool file = fs::is_regular_file(given, error);
  if (file) {
    std::ifstream stream(given, std::ios::binary);
    text.assign(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
    if (!stream) throw FormatError("[weft] --space '{}' cannot be read", given);
  }
  try {
    Space space = Space::parse(text);
    // So reads the name of a file that is not there, say.
    if (std::ranges::all_of(space.tensors(), [](const SpaceTensor& t) { return t.axes.empty(); }))
      throw ParseError("no tensor has an axis");
    return space;
  } catch (const Error& wrong) {
    throw UsageError("[weft] --space '{}': {}{}; allowed: 'in: fixed(3); h: permutation(8) W[h, in*]' or the like",
                     given, file ? "" : "no such file, and no space: ", wrong.what());
  }
}

NetworkFile load_network(const std::string& path, const std::optional<Space>& space) {
  if (fs::is_directory(path))
    if (const std::string kind = folder_kind(path); !kind.empty())
      throw FormatError("[network] '{}' is a directory, {}", path, kind);
  return NetworkFile::load(path, space);
}

}  // namespace weft::apps
