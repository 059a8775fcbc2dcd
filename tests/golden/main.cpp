// Reads every golden file of a folder (its argument, else WEFT_GOLDEN_DIR, else files/) and checks it by its kind.

#include <algorithm>
#include <cstdlib>
#include <exception>

#include <fmt/format.h>

#include "weft/tests/golden/golden.h"

namespace weft::golden {

std::map<std::string, Check> equivalence_kinds();
std::map<std::string, Check> graph_kinds();
std::map<std::string, Check> implicit_kinds();
std::map<std::string, Check> layer_kinds();
std::map<std::string, Check> network_kinds();

namespace {

namespace fs = std::filesystem;

struct Counts {
  int files = 0, passed = 0, failed = 0, unknown = 0;
};

std::string check(const fs::path& path, bool& unknown) {
  if (path.extension() == ".jsonl") return check_terms(path);
  const SafeTensors data = SafeTensors::open(path);
  auto text = [&](const char* key) {
    const auto at = data.metadata().find(key);
    if (at == data.metadata().end()) throw FormatError("[golden] metadata '{}' is missing", key);
    return at->second;
  };
  static const std::map<std::string, Check> kinds = [] {
    auto all = layer_kinds();
    all.merge(network_kinds());
    all.merge(equivalence_kinds());
    all.merge(graph_kinds());
    all.merge(implicit_kinds());
    return all;
  }();
  const std::string kind = text("kind");
  const auto model = kinds.find(kind);
  if (model == kinds.end()) {
    unknown = true;
    return fmt::format("kind '{}' is unknown", kind);
  }
  const File file{data, nlohmann::json::parse(text("config"))};
  for (const DType dtype : {DType::f64, DType::f32}) {
    Run run(file, dtype);
    if (std::string wrong = model->second(file, run); !wrong.empty()) return wrong;
  }
  return {};
}

int run(int argc, char** argv) {
  const char* given = argc > 1 ? argv[1] : std::getenv("WEFT_GOLDEN_DIR");
  const fs::path folder = given ? fs::path(given) : fs::path(WEFT_SOURCE_DIR) / "tests/golden/files";
  if (!fs::is_directory(folder)) {
    fmt::print("golden: no folder {}\n", folder.string());
    return 1;
  }
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder))
    if (const auto extension = entry.path().extension(); extension == ".safetensors" || extension == ".jsonl")
      files.push_back(entry.path());
  std::sort(files.begin(), files.end());

  Counts n;
  for (const fs::path& path : files) {
    ++n.files;
    bool unknown = false;
    std::string wrong;
    try {
      wrong = check(path, unknown);
    } catch (const std::exception& error) {
      wrong = error.what();
    }
    if (!wrong.empty()) fmt::print("{}: {}\n", path.filename().string(), wrong);
    (unknown ? n.unknown : wrong.empty() ? n.passed : n.failed) += 1;
  }
  fmt::print("golden: {} files, {} passed, {} failed, {} unknown\n", n.files, n.passed, n.failed, n.unknown);
  return n.files == 0 || n.failed || n.unknown ? 1 : 0;
}

}  // namespace
}  // namespace weft::golden

int main(int argc, char** argv) {
  try {
    return weft::golden::run(argc, argv);
  } catch (const std::exception& error) {
    fmt::print("golden: {}\n", error.what());
    return 1;
  }
}
