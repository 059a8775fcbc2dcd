// The texts of architectures that weft has, and how a file finds its own (spec 8.7, 8.8).

#include <algorithm>
#include <set>

#include "weft/networks/files/find.h"
#include "weft/tests/architecture_files.h"
#include "weft/tests/disk.h"

using namespace weft;
using namespace weft::testing;

namespace {

struct Tiny {
  const char* name;
  const char* config;
  bool from_shapes = false;  ///< names and shapes tell all of it
};

constexpr const char* llama =
    R"({"vocab_size": 11, "hidden_size": 12, "intermediate_size": 14, "num_hidden_layers": 2, "num_attention_heads": 6,
        "num_key_value_heads": 3, "head_dim": 8, "tie_word_embeddings": false, "num_local_experts": 4})";
constexpr const char* rnn =
    R"({"num_layers": 2, "bidirectional": true, "headed": true, "hidden_size": 5, "input_size": 3, "outputs": 2})";

const Tiny tiny[] = {
    {"bert", R"({"vocab_size": 11, "hidden_size": 12, "intermediate_size": 14, "num_hidden_layers": 2, "labels": 5,
                 "num_attention_heads": 3, "max_position_embeddings": 8, "type_vocab_size": 2})"},
    {"bloom",
     R"({"model_type": "bloom", "vocab_size": 11, "hidden_size": 12, "n_head": 3, "n_layer": 2, "tie_word_embeddings": true})"},
    {"clip",
     R"({"projection_dim": 6, "vocab_size": 11, "text_positions": 7, "text_intermediate": 10, "vision_intermediate": 9,
                 "text_config": {"hidden_size": 12, "num_attention_heads": 3, "num_hidden_layers": 2},
                 "vision_config": {"hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 1},
                 "image_size": 8, "patch_size": 4})"},
    {"cnn",
     R"({"channels": [3, 4, 5], "convolutions": 2, "rows": [3, 3], "columns": [3, 3], "layers": 2, "widths": [6, 2],
                "places": 4})",
     true},
    {"cnn_groupnorm",
     R"({"num_groups": 2, "layers": 2, "channels": [3, 2], "num_channels": 3, "rows": 3, "columns": 3, "labels": 5})"},
    {"cnn_sequential",
     R"({"widths": [3, 4, 6, 2], "layers": 3, "rows": [3], "columns": [3], "axes": [4, 2, 2], "places": [1, 9, 1]})",
     true},
    {"convnext",
     R"({"labels": 5, "hidden_sizes": [4, 6], "num_stages": 2, "depths": [1, 2], "num_channels": 3, "patch_size": 4})",
     true},
    {"deepseek",
     R"({"model_type": "deepseek_v3", "vocab_size": 11, "hidden_size": 12, "num_attention_heads": 3, "qk_nope_head_dim": 4,
                     "qk_rope_head_dim": 2, "v_head_dim": 5, "kv_lora_rank": 6, "q_lora_rank": 7, "num_hidden_layers": 2,
                     "first_k_dense_replace": 1, "intermediate_size": 9, "moe_intermediate_size": 3, "n_routed_experts": 4,
                     "n_shared_experts": 2, "n_group": 1})"},
    {"distilbert",
     R"({"model_type": "distilbert", "vocab_size": 11, "dim": 12, "hidden_dim": 14, "n_layers": 2, "n_heads": 3,
         "max_position_embeddings": 8, "labels": 5})"},
    {"falcon",
     R"({"model_type": "falcon", "vocab_size": 11, "hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 6,
         "num_kv_heads": 3, "new_decoder_architecture": true, "tie_word_embeddings": true})"},
    {"gemma",
     R"({"model_type": "gemma", "vocab_size": 11, "hidden_size": 12, "intermediate_size": 14, "num_hidden_layers": 2,
                  "num_attention_heads": 4, "num_key_value_heads": 1, "head_dim": 6})"},
    {"gemma2", llama},
    {"gemma3", llama},
    {"gpt2",
     R"({"vocab_size": 11, "n_positions": 8, "n_embd": 12, "n_layer": 2, "n_head": 3, "n_inner": 20, "tie_word_embeddings": true})"},
    {"gpt2_folded", R"({"vocab_size": 11, "n_positions": 8, "n_embd": 12, "n_layer": 2, "n_head": 3})"},
    {"gpt_neox",
     R"({"vocab_size": 11, "hidden_size": 16, "num_attention_heads": 2, "rotary_pct": 0.25, "num_hidden_layers": 2,
                     "intermediate_size": 14})"},
    {"gptj", R"({"vocab_size": 11, "n_embd": 12, "n_head": 2, "n_layer": 2, "rotary_dim": 4})"},
    {"gru", rnn, true},
    {"llama", llama},
    {"llama_folded", llama},
    {"lstm", rnn, true},
    {"lstm_proj",
     R"({"num_layers": 2, "bidirectional": true, "headed": true, "hidden_size": 5, "input_size": 3, "proj_size": 4,
         "outputs": 2})",
     true},
    {"mha", R"({"num_heads": 3, "embed_dim": 12, "kdim": 5, "vdim": 6})"},
    {"mixtral", llama},
    {"mixtral_stacked", llama},
    {"mlp", R"({"widths": [3, 5, 4, 2], "layers": 3})", true},
    {"olmo2", llama},
    {"opt",
     R"({"vocab_size": 11, "hidden_size": 12, "num_attention_heads": 3, "num_hidden_layers": 2, "ffn_dim": 14,
         "max_position_embeddings": 6, "tie_word_embeddings": true})"},
    {"phi3",
     R"({"vocab_size": 11, "hidden_size": 12, "intermediate_size": 14, "num_hidden_layers": 2, "num_attention_heads": 6,
                 "num_key_value_heads": 3, "head_dim": 8, "tie_word_embeddings": false, "partial_rotary_factor": 0.5})"},
    {"prelu", R"({"widths": [3, 5, 4, 2], "layers": 3, "slopes": [1, 4]})", true},
    {"qwen3", llama},
    {"resnet18", R"({"widths": [4, 4, 6, 8], "depths": [1, 2, 1, 1], "labels": 5})", true},
    {"resnet50", R"({"width": 4, "widths": [4, 4, 6, 8], "middle": [2, 3, 3, 2], "depths": [1, 2, 1, 1], "labels": 5})",
     true},
    {"resnet50_hf",
     R"({"embedding_size": 4, "hidden_sizes": [4, 8], "depths": [2, 1], "num_channels": 3, "stages": 2, "labels": 5})",
     true},
    {"resnet_hf",
     R"({"embedding_size": 4, "hidden_sizes": [4, 6], "depths": [2, 2], "num_channels": 3, "stages": 2, "labels": 5})",
     true},
    {"rnn", rnn, true},
    {"siren", R"({"widths": [2, 5, 4, 1], "sines": 2})", true},
    {"small_transformer",
     R"({"width": 8, "num_channels": 1, "patch_size": 4, "positions": 9, "layers": 2, "intermediate": 10, "hidden": 6,
         "labels": 5})",
     true},
    {"stablelm",
     R"({"model_type": "stablelm", "vocab_size": 11, "hidden_size": 12, "intermediate_size": 14, "num_hidden_layers": 2,
         "num_attention_heads": 3, "partial_rotary_factor": 0.5, "use_parallel_residual": false,
         "tie_word_embeddings": false})"},
    {"starcoder2", llama},
    {"t5", R"({"vocab_size": 11, "d_model": 12, "d_kv": 4, "num_heads": 3, "d_ff": 10, "num_layers": 2, "gated": true,
               "relative_attention_num_buckets": 6, "tie_word_embeddings": true})"},
    {"vgg",
     R"({"convolutions": 2, "channels": [4, 5], "batch_norm": true, "num_channels": 3, "labels": 5, "widths": [6, 7],
                "places": 4})",
     true},
    {"vit",
     R"({"hidden_size": 12, "intermediate_size": 14, "num_hidden_layers": 2, "num_attention_heads": 3, "image_size": 8,
                "patch_size": 4, "num_channels": 3, "labels": 5})"},
    {"vit_timm",
     R"({"embed_dim": 12, "num_heads": 3, "depth": 2, "mlp_dim": 14, "positions": 5, "patch_size": 4, "num_channels": 3,
         "scaled": true, "registers": 2, "labels": 5})"},
    {"vit_torchvision",
     R"({"hidden_dim": 12, "num_heads": 3, "num_layers": 2, "mlp_dim": 14, "positions": 5, "patch_size": 4,
         "num_channels": 3, "labels": 5})"},
    {"whisper",
     R"({"vocab_size": 11, "d_model": 12, "encoder_attention_heads": 3, "decoder_attention_heads": 2, "num_mel_bins": 4,
         "encoder_layers": 2, "decoder_layers": 1, "encoder_ffn_dim": 10, "decoder_ffn_dim": 9,
         "max_source_positions": 6, "max_target_positions": 7})"},
};

std::vector<StoredTensor> stored(const FileSpace& files, const std::string& module = "") {
  std::vector<StoredTensor> out;
  for (const FileEntry& file : files.files)
    for (const std::string& name : file.names) out.push_back({module + name, file.shape});
  return out;
}

FileSpace expanded(const Tiny& one) {
  return FileSpace::parse(architecture_text(one.name).parsed().expanded(Json::parse(one.config)).text);
}

std::string error(const std::vector<StoredTensor>& tensors, const Json& config = Json(Json::Object{})) {
  return message_of<FormatError>([&] { found_architecture({tensors, config}); });
}

}  // namespace

TEST_CASE("architectures: each text expands, its windows tile, and files of it are found") {
  for (const Tiny& one : tiny) {
    CAPTURE(one.name);
    const FileSpace files = expanded(one);
    std::vector<std::int64_t> covered(files.files.size());
    for (const Window& window : files.windows) {
      std::int64_t n = 1;
      for (const WindowAxis& axis : window.axes) n *= axis.size;
      covered[static_cast<std::size_t>(window.file)] += n;
    }
    for (std::size_t i = 0; i < covered.size(); ++i)
      CHECK(covered[i] == files.files[i].shape.numel() * static_cast<std::int64_t>(files.files[i].names.size()));
    CHECK(Space::parse(files.space.str()) == files.space);
    const std::vector<StoredTensor> tensors = stored(files);
    if (architecture_text(one.name).parsed().requested()) {
      ArchitectureDifference difference;
      CHECK_MESSAGE(fitted({tensors, Json::parse(one.config)}, architecture_text(one.name), difference),
                    difference.str());
    }
    const bool found_by_itself = std::string(one.name).find("_folded") == std::string::npos;
    if (!found_by_itself) continue;
    const FoundArchitecture found = found_architecture({tensors, Json::parse(one.config)});
    CHECK(found.name == one.name);
    CHECK(found.files.space == files.space);
    CHECK(found.files.windows == files.windows);
    if (one.from_shapes) CHECK(found_architecture({tensors}).files.space == files.space);
    // In a checkpoint, with what a run keeps beside its network.
    std::vector<StoredTensor> checkpoint = stored(files, "state_dict.");
    checkpoint.push_back({"optimizer.state.0.exp_avg", {3}});
    checkpoint.push_back({"epoch", {}, false});
    const FoundArchitecture inside = found_architecture({checkpoint, Json::parse(one.config)});
    CHECK(inside.name == one.name);
    CHECK(inside.files.windows == files.windows);
    CHECK(inside.files.files[0].names[0] == "state_dict." + found.files.files[0].names[0]);
  }
}

TEST_CASE("architectures: every text is tried") {
  std::set<std::string> names;
  for (const Tiny& one : tiny) names.insert(one.name);
  for (const ArchitectureText& text : architecture_texts())
    CHECK_MESSAGE((names.contains(text.name) || text.name == "lora"), text.name);
  CHECK(&architecture_text("mistral") == &architecture_text("llama"));
  CHECK(message_of<UsageError>([] {
          architecture_text("gpt5");
        }).starts_with("[architecture] no architecture 'gpt5'; there are: bert, bloom, "));
}

TEST_CASE("architectures: golden networks are found and moved") {
  for (const auto& path : golden_networks()) {
    CAPTURE(path.string());
    const Golden golden(path);
    std::vector<StoredTensor> tensors;
    for (const auto& [name, t] : golden.numbers) tensors.push_back({name, t.shape()});
    const FoundArchitecture found = found_architecture({tensors, *golden.json.find("config")});
    CHECK(path.stem().string().starts_with(found.name.substr(0, 4)));
    golden.check(found.files);
  }
}

TEST_CASE("architectures: parts are found below any module, numbered with gaps") {
  const std::vector<StoredTensor> mlp{{"net.body.0.weight", {5, 3}},
                                      {"net.body.0.bias", {5}},
                                      {"net.body.2.weight", {4, 5}},
                                      {"net.body.2.bias", {4}},
                                      {"net.body.11.weight", {2, 4}}};
  const FoundArchitecture found = found_architecture({mlp});
  CHECK(found.name == "mlp");
  CHECK(found.files.space.str() ==
        "in: fixed(3); h.0: permutation(5); h.1: permutation(4); h.2: fixed(2) x.0.weight[h.0, in*] x.0.bias[h.0] "
        "x.1.weight[h.1, h.0*] x.1.bias[h.1] x.2.weight[h.2, h.1*]");
  CHECK(found.files.files[4].names == std::vector<std::string>{"net.body.11.weight"});
  const FoundArchitecture relu = found_architecture({mlp, Json::parse(R"({"activation": "relu"})")});
  CHECK(relu.files.space.factors()[1].str() == "positive_monomial(5)");
  // States that nobody reads are outputs.
  const FoundArchitecture lstm = found_architecture({std::vector<StoredTensor>{{"encoder.weight_ih_l0", {20, 3}},
                                                                               {"encoder.weight_hh_l0", {20, 5}},
                                                                               {"encoder.bias_ih_l0", {20}},
                                                                               {"encoder.bias_hh_l0", {20}}}});
  CHECK(lstm.name == "lstm");
  CHECK(lstm.files.space.factors()[0].str() == "fixed(5)");
  CHECK(lstm.files.files[0].names[0] == "encoder.weight_ih_l0");
}

TEST_CASE("architectures: a file of the bare model, with masks, under its own names") {
  const Tiny& gpt2 =
      *std::find_if(std::begin(tiny), std::end(tiny), [](const Tiny& t) { return t.name == std::string("gpt2"); });
  std::vector<StoredTensor> tensors = stored(expanded(gpt2));
  for (StoredTensor& t : tensors) t.name = t.name.substr(std::string("transformer.").size());
  tensors.push_back({"h.0.attn.bias", {1, 1, 8, 8}});
  tensors.push_back({"counter", {}, false});
  const FoundArchitecture found = found_architecture({tensors, Json::parse(gpt2.config)});
  CHECK(found.name == "gpt2");
  CHECK(found.files.space == expanded(gpt2).space);
  CHECK(found.files.files[0].names[0] == "wpe.weight");
  CHECK(found.told.at("tie_word_embeddings") == Json(true));
}

TEST_CASE("architectures: adapters of any modules") {
  const FoundArchitecture found =
      found_architecture({std::vector<StoredTensor>{{"base_model.model.layers.0.q_proj.lora_A.weight", {2, 6}},
                                                    {"base_model.model.layers.0.q_proj.lora_B.weight", {7, 2}},
                                                    {"base_model.model.layers.1.down-proj.lora_A.weight", {3, 5}},
                                                    {"base_model.model.layers.1.down-proj.lora_B.weight", {4, 3}}}});
  CHECK(found.name == "lora");
  CHECK(found.files.space.str() ==
        "r.0: GL(2); r.1: GL(3); fixed.6: fixed(6); fixed.7: fixed(7); fixed.5: fixed(5); fixed.4: fixed(4) "
        "base_model.model.layers.0.q_proj.lora_A.weight[r.0, fixed.6] "
        "base_model.model.layers.0.q_proj.lora_B.weight[fixed.7, r.0*] "
        "base_model.model.layers.1.down_x2dproj.lora_A.weight[r.1, fixed.5] "
        "base_model.model.layers.1.down_x2dproj.lora_B.weight[fixed.4, r.1*]");
}

TEST_CASE("architectures: what fits none, or several, says why") {
  const Tiny& bert = tiny[0];
  const Json config = Json::parse(bert.config);
  std::vector<StoredTensor> tensors = stored(expanded(bert));
  CHECK(error(tensors, config) == "no error");
  tensors.back().shape = {6};
  CHECK(error(tensors, config) ==
        "[architecture] the file fits no architecture; nearest is 'bert': 'classifier.bias' is [6], the text says [5]");
  tensors.back() = {"classifier.gain", {5}};
  CHECK(error(tensors, config) ==
        "[architecture] the file fits no architecture; nearest is 'bert': the file lacks 'classifier.bias'; the text "
        "lacks 'classifier.gain'");
  const std::vector<StoredTensor> whole = stored(expanded(bert));
  CHECK(error(whole) ==
        "[architecture] the file has the tensors of 'bert', but factor 'h.0' has num_attention_heads "
        "places, which is no "
        "number yet; give num_attention_heads in the network's config");
  const ArchitectureText twice[] = {{"one", "w [$n]"}, {"two", "a: fixed($n) w [a]"}};
  const std::vector<StoredTensor> w{{"w", {3}}};
  CHECK(message_of<FormatError>([&] { found_architecture({w}, twice); }) ==
        "[architecture] the file fits several architectures: one, two; say which one it is");
}
