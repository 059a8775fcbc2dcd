#include <cstdio>
#include <filesystem>
#include <fstream>

#include <zlib.h>

#include "weft/io/safetensors.h"
#include "weft/networks/files/architecture_text.h"
#include "weft/tests/archives.h"
#include "weft/tests/files.h"
#include "weft/tests/fuzz/states.h"
#include "weft/tests/safetensors_attacks.h"

// Writes the seeds of the corpora: every attack of the tests that is not long, and a few files that parse.
//   weft_make_corpus FOLDER

namespace {

void save(const std::filesystem::path& path, const std::string& bytes) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

void save_compressed(const std::filesystem::path& path, const std::string& bytes) {
  gzFile file = gzopen(path.c_str(), "wb9");
  gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size()));
  gzclose(file);
}

void safetensors(const std::filesystem::path& folder) {
  constexpr std::size_t longest = 1000;
  for (const auto& attack : safetensors_attacks())
    if (attack.bytes.size() <= longest) save(folder / ("seed-" + attack.name), attack.bytes);
  using namespace weft;
  const NamedTensor tensors[] = {{"u", Tensor::zeros({3}, DType::u8)},
                                 {"f", Tensor::zeros({2, 1}, DType::f32)},
                                 {"i", Tensor::zeros({}, DType::i32)},
                                 {"d", Tensor::zeros({0, 2}, DType::f64)}};
  const auto bytes = safetensors_bytes(tensors, {{"k\n", "\xc3\xbc\""}});
  save(folder / "seed-valid", {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  save(folder / "seed-valid-empty", safetensors_file("{}", 0));
  save(folder / "seed-valid-unaligned", safetensors_file(R"({"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                                                         R"("x":{"dtype":"F64","shape":[1],"data_offsets":[1,9]}})",
                                                         9));
}

void torch_seeds(const std::filesystem::path& folder) {
  using namespace archives;
  const std::string bytes(64, '\1'), w = tensor(storage("FloatStorage", "0", 16), 0, {2, 4}, {4, 1});
  const std::string state = dict({{"w", w}, {"v", tensor(storage("HalfStorage", "0", 32), 1, {3, 2}, {1, 3})}});
  const std::string config = global("omegaconf", "DictConfig") + ")\x81" + dict({{"lr", integer(3)}}) + "b";
  const std::string nested = dict({{"model", state},
                                   {"config", config},
                                   {"list",
                                    "](K\1NG?\xf0\1\1\1\1\1\1\x88"
                                    "e"}});
  save(folder / "seed-archive", torch_zip(nested, {{"0", bytes}}));
  save(folder / "seed-stream", torch_legacy(dict({{"w", w}}), {{"0", 16, bytes}}));
  save(folder / "seed-pickle", pickled(nested));
  save(folder / "seed-memo", pickled("]q\1h\1a"));
  save(folder / "seed-system", pickled(global("posix", "system") + tuple({text("ls")}) + "R"));
  save(folder / "seed-stack-global", pickled("\x8c\5posix\x8c\6system\x93)R"));
  save(folder / "seed-parameter",
       pickled(global("torch._utils", "_rebuild_parameter") + tuple({w, "\x88", "N"}) + "R"));
  save(folder / "seed-deflated", zip({{"n/data.pkl", pickled(state), true}, {"n/data/0", bytes, true}}));
  for (const char* name : {"checkpoint.pt", "state_legacy.pth", "alone.pt"})
    save(folder / (std::string("seed-") + name),
         read_text(std::filesystem::path(WEFT_SOURCE_DIR) / "tests/fixtures/torch" / name));
}

void npy_seeds(const std::filesystem::path& folder) {
  using namespace archives;
  const std::string valid = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", std::string(24, '\1'));
  save(folder / "seed-valid", valid);
  save(folder / "seed-fortran",
       npy("{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }", std::string(12, '\1'), 2));
  save(folder / "seed-scalar", npy("{'shape': (), 'descr': '|b1', 'fortran_order': False}", "\1", 3));
  save(folder / "seed-objects", npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", "\x80\2N."));
  save(folder / "seed-archive", zip({{"a.npy", valid}, {"b.npy", valid, true}}));
}

void idx(const std::filesystem::path& folder) {
  const std::string valid(
      "\0\0\x08\x02\0\0\0\x02\0\0\0\x03"
      "abcdef",
      18);
  save(folder / "seed-valid", valid);
  save(folder / "seed-truncated", valid.substr(0, 15));
  save(folder / "seed-surplus", valid + "g");
  save(folder / "seed-float", std::string("\0\0\x0d\x01\0\0\0\x01"
                                          "abcd",
                                          12));
  save(folder / "seed-overflow", std::string("\0\0\x08\x02\xff\xff\xff\xff\xff\xff\xff\xff", 12));
  save(folder / "seed-empty", std::string("\0\0\x08\x01\0\0\0\0", 8));
  save_compressed(folder / "seed-valid.gz", valid);
  save_compressed(folder / "seed-bomb.gz", std::string(2 << 20, '\0'));
}

void csv(const std::filesystem::path& folder) {
  save(folder / "seed-valid", "id,network,split_0,loss\n0,0,train,2.302585\n1,0,val,nan\n");
  save(folder / "seed-quoted", "\"3\",\"a \"\"b\"\"\",\"c,\r\nd\"\r\n4,,-1.5e-3\r\n");
  save(folder / "seed-byte-order-mark", "\xef\xbb\xbf\"a\"\n");
  save(folder / "seed-empty-lines", "\n\n");
  save(folder / "seed-ragged", "a,b\nc\n");
  save(folder / "seed-bare-quote", "a\"b\n");
  save(folder / "seed-open-quote", "\"a\n");
  save(folder / "seed-behind-quote", "\"a\"b\n");
  save(folder / "seed-carriage-return", "a\rb\n");
  save(folder / "seed-two-names", "a,a\n");
}

/// Every text that weft has, behind it a config that tells what any of them asks for.
void architectures(const std::filesystem::path& folder) {
  const std::string config =
      R"({"activation":"relu","batch_norm":true,"bidirectional":true,"channels":[3,4,5,6],"columns":[3,3,3],)"
      R"("convolutions":2,"d_ff":3,"d_kv":2,"d_model":4,"depths":[1,1,1,1],"embedding_size":4,)"
      R"("first_k_dense_replace":1,"gated":true,"head_dim":4,"headed":true,"hidden_size":8,)"
      R"("hidden_sizes":[4,6],"image_size":8,"input_size":3,"inputs":[3,3],"intermediate_size":3,)"
      R"("kv_lora_rank":4,"labels":3,"layers":2,"max_position_embeddings":4,"moe_intermediate_size":3,)"
      R"("n_embd":8,"n_head":2,"n_inner":null,"n_layer":1,"n_positions":4,"n_routed_experts":2,)"
      R"("n_shared_experts":1,"nonlinearity":"tanh","num_attention_heads":2,"num_channels":3,"num_heads":2,)"
      R"("num_hidden_layers":2,"num_key_value_heads":1,"num_layers":2,"num_local_experts":2,"num_stages":2,)"
      R"("outputs":[4,4],"partial_rotary_factor":0.5,"patch_size":4,"places":9,"positions":5,)"
      R"("projection_dim":4,"q_lora_rank":3,"qk_nope_head_dim":2,"qk_rope_head_dim":2,"rank":[2,2],)"
      R"("relative_attention_num_buckets":4,"rotary_dim":2,"rotary_ndims":2,"rotary_pct":0.5,"rows":[3,3,3],)"
      R"("sines":1,"stages":2,"text_heads":2,"text_hidden":4,"text_intermediate":3,"text_layers":1,)"
      R"("text_positions":4,"tie_word_embeddings":false,"type_vocab_size":2,"v_head_dim":2,"vision_heads":2,)"
      R"("vision_hidden":4,"vision_intermediate":3,"vision_layers":1,"vision_positions":5,"vocab_size":5,)"
      R"("widths":[4,6,8,10,12]})";
  for (const auto& text : weft::architecture_texts())
    save(folder / ("seed-" + text.name), text.text + "\n---\n" + config);
}

void save(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  save(path, std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

void states(const std::filesystem::path& folder) {
  save(folder / "seed-fit", weft::testing::DamagedFit().file());
  save(folder / "seed-population", weft::testing::DamagedPopulation().file());
  save(folder / "seed-nothing", weft::safetensors_bytes({}));
}

void models(const std::filesystem::path& folder) {
  for (const char* kind : {"magep", "statnn", "balanced-statnn", "mlp"})
    save(folder / fmt::format("seed-{}", kind), weft::testing::model_bytes(kind));
  save(folder / "seed-network", weft::testing::network_bytes());
  save(folder / "seed-nothing", weft::safetensors_bytes({}));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: weft_make_corpus FOLDER\n");
    return 2;
  }
  safetensors(std::filesystem::path(argv[1]) / "safetensors");
  idx(std::filesystem::path(argv[1]) / "idx");
  csv(std::filesystem::path(argv[1]) / "csv");
  torch_seeds(std::filesystem::path(argv[1]) / "torch");
  npy_seeds(std::filesystem::path(argv[1]) / "npy");
  architectures(std::filesystem::path(argv[1]) / "architecture");
  states(std::filesystem::path(argv[1]) / "state");
  models(std::filesystem::path(argv[1]) / "model");
}
