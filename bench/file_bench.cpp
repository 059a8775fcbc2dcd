// Files of other programs read into spaces, beside cat of the same file to memory.

#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>

#include "weft/bench/harness.h"
#include "weft/core/error.h"
#include "weft/core/random.h"
#include "weft/io/safetensors.h"
#include "weft/io/tensor_file.h"
#include "weft/networks/files/architecture_text.h"
#include "weft/networks/files/window_copy.h"

namespace weft::bench {
namespace {

namespace fs = std::filesystem;

/// A network of about 1 GB in float32.
struct Case {
  const char* architecture;
  const char* config;
};

constexpr Case cases[] = {
    {"gpt2", R"({"n_embd": 1024, "n_head": 16, "n_layer": 18, "vocab_size": 20000, "n_positions": 1024,
                 "tie_word_embeddings": true})"},
    {"llama", R"({"hidden_size": 1024, "num_attention_heads": 16, "num_key_value_heads": 4, "intermediate_size": 2816,
                  "num_hidden_layers": 20, "vocab_size": 10000, "tie_word_embeddings": false})"},
};

/// A file with numbers drawn for every tensor that is not optional, in the order of the text; removed with this.
class LargeFile {
 public:
  LargeFile(FileSpace& files, const std::string& name) : path_(fs::temp_directory_path() / ("weft_bench_" + name)) {
    std::vector<NamedTensor> tensors;
    files = files.present([](const std::string&) { return false; });
    for (const FileEntry& file : files.files)
      for (const std::string& own : file.names) {
        tensors.push_back({own, Tensor::zeros(file.shape, DType::f32)});
        fill_normal(tensors.back().tensor, RandomKey(tensors.size(), "bench"));
      }
    save_safetensors(path_, tensors);
  }
  ~LargeFile() {
    std::error_code ignored;
    fs::remove(path_, ignored);
  }
  LargeFile(const LargeFile&) = delete;
  LargeFile& operator=(const LargeFile&) = delete;

  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

}  // namespace

void file_cases(Harness& harness) {
  for (const Case& c : cases) {
    const std::string read = fmt::format("file {} into its space", c.architecture),
                      cat = fmt::format("file {} cat to /dev/shm", c.architecture);
    if (!harness.wants(read) && !harness.wants(cat)) continue;
    const ArchitectureText& text = architecture_text(c.architecture);
    FileSpace files = FileSpace::parse(text.parsed().expanded(Json::parse(c.config)).text);
    const LargeFile file(files, c.architecture);
    const auto bytes = static_cast<double>(fs::file_size(file.path()));
    const fs::path copy = fs::path("/dev/shm") / file.path().filename();
    const std::string command = fmt::format("cat '{}' > '{}'", file.path().native(), copy.native());
    harness.measure(cat, {0, bytes}, [&] {
      if (std::system(command.c_str()) != 0) throw DiskError("[bench] {}: failed", command);
    });
    std::error_code ignored;
    fs::remove(copy, ignored);
    harness.measure(read, {0, bytes}, [&] {
      const TensorFile opened = TensorFile::open(file.path());
      read_windows(files,
                   [&](const std::string& name) { return opened.contains(name) ? *opened.view(name) : Tensor(); });
    });
  }
}

}  // namespace weft::bench
