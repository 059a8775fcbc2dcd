// Texts of architectures that serve several heads, and the files of models without one (spec 8.7, 8.8).

#include <doctest/doctest.h>

#include "weft/networks/files/find.h"

using namespace weft;

namespace {

/// What the config says of a network, and what it says only here, for a file says it by its tensors.
struct Variant {
  const char* name;
  const char* config;
  const char* told;
  const char* holds;  ///< of the space's text
};

constexpr const char* bert = R"("vocab_size": 11, "hidden_size": 12, "intermediate_size": 14, "num_hidden_layers": 2,
  "labels": 5, "num_attention_heads": 3, "max_position_embeddings": 8, "type_vocab_size": 2)";
constexpr const char* distilbert = R"("vocab_size": 11, "dim": 12, "hidden_dim": 14, "n_layers": 2, "n_heads": 3,
  "max_position_embeddings": 8, "labels": 5)";
constexpr const char* gpt2 =
    R"("vocab_size": 11, "n_positions": 8, "n_embd": 12, "n_layer": 2, "n_head": 3, "labels": 5)";
constexpr const char* llama = R"("vocab_size": 11, "hidden_size": 12, "intermediate_size": 14, "num_hidden_layers": 2,
  "num_attention_heads": 6, "num_key_value_heads": 3, "head_dim": 8, "labels": 5)";
constexpr const char* vit = R"("hidden_size": 12, "intermediate_size": 14, "num_hidden_layers": 2,
  "num_attention_heads": 3, "image_size": 8, "patch_size": 4, "num_channels": 3, "labels": 5)";
constexpr const char* clip = R"("projection_dim": 6, "vocab_size": 11, "text_positions": 7, "text_intermediate": 10,
  "vision_intermediate": 9, "hidden_size": 12, "num_attention_heads": 3, "num_hidden_layers": 2, "image_size": 8,
  "patch_size": 4)";
constexpr const char* t5 = R"("vocab_size": 11, "d_model": 12, "d_kv": 4, "num_heads": 3, "d_ff": 10, "num_layers": 2,
  "relative_attention_num_buckets": 6)";
constexpr const char* timm = R"("embed_dim": 12, "num_heads": 3, "depth": 2, "mlp_dim": 14, "positions": 5,
  "patch_size": 4, "num_channels": 3, "labels": 5)";
constexpr const char* neox = R"("vocab_size": 11, "hidden_size": 16, "num_attention_heads": 2, "rotary_pct": 0.25,
  "num_hidden_layers": 2, "intermediate_size": 14)";
constexpr const char* opt = R"("vocab_size": 11, "hidden_size": 12, "num_attention_heads": 3, "num_hidden_layers": 2,
  "ffn_dim": 14, "max_position_embeddings": 6)";
constexpr const char* falcon =
    R"("vocab_size": 11, "hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 6)";

const Variant variants[] = {
    {"bert", bert, R"("classes": false)", "s: fixed(12); p: fixed(12)"},
    {"bert", bert, R"("classes": false, "pooled": false)", "s: fixed(12)"},
    {"bert", bert, R"("pooled": false)", "classifier.weight[out, n*]"},
    {"bert", bert, R"("pooled": false, "classes": false, "spans": true)", "qa_outputs.weight[fixed.5, n*]"},
    {"bert", bert, R"("classes": false, "words": true, "next_sentence": true, "tie_word_embeddings": true)",
     "cls.predictions.transform.dense.weight[s, n*]"},
    {"bert", bert, R"("classes": false, "pooled": false, "words": true, "tie_word_embeddings": false)",
     "cls.predictions.decoder.weight[vocab, nm*]"},
    {"distilbert", distilbert, R"("classes": false, "pooled": false)", "s: fixed(12)"},
    {"distilbert", distilbert, R"("pooled": false)", "classifier.weight[fixed.5, n*]"},
    {"distilbert", distilbert, R"("classes": false, "pooled": false, "words": true, "tie_word_embeddings": true)",
     "vocab_transform.weight[s, n*]"},
    {"gpt2", gpt2, R"("scored": true)", "score.weight[fixed.5, n*]"},
    {"gpt2", gpt2, R"("tagged": true)", "classifier.weight[fixed.5, n*]"},
    {"gpt2", gpt2, R"("spans": true)", "qa_outputs.weight[fixed.5, n*]"},
    {"gpt2", gpt2, R"("chooses": true, "tie_word_embeddings": true)",
     "multiple_choice_head.summary.weight[fixed.5, s*]"},
    {"gpt2", gpt2, R"("chooses": true, "tie_word_embeddings": false)",
     "multiple_choice_head.summary.weight[fixed.5, n*]"},
    {"llama", llama, R"("scored": true)", "score.weight[fixed.5, s&n*]"},
    {"llama", llama, R"("spans": true)", "qa_outputs.weight[fixed.5, s&n*]"},
    {"gemma2", llama, R"("scored": true, "tie_word_embeddings": true)", "score.weight[fixed.5, s&n*]"},
    {"qwen3", llama, R"("scored": true, "tie_word_embeddings": true)", "score.weight[fixed.5, s&n*]"},
    {"falcon", falcon, R"("scored": true, "new_decoder_architecture": false, "labels": 5, "tie_word_embeddings": true)",
     "score.weight[fixed.5, n*]"},
    {"opt", opt, R"("scored": true, "labels": 5, "tie_word_embeddings": true)", "score.weight[fixed.5, n*]"},
    {"opt", opt, R"("scored": true, "labels": 5, "tie_word_embeddings": true, "word_embed_proj_dim": 4)",
     "score.weight[fixed.5, o*]"},
    {"gpt_neox", neox, R"("tie_word_embeddings": true)", "gpt_neox.final_layer_norm.weight[s]"},
    {"opt", opt, R"("do_layer_norm_before": false, "tie_word_embeddings": true)",
     "model.decoder.layers.1.final_layer_norm.weight[s]"},
    {"opt", opt, R"("do_layer_norm_before": false, "tie_word_embeddings": false)",
     "model.decoder.layers.1.final_layer_norm.weight[n]"},
    {"opt", opt, R"("do_layer_norm_before": false, "tie_word_embeddings": true, "word_embed_proj_dim": 4)",
     "model.decoder.project_out.weight[e*, n*]"},
    {"vit", vit, R"("classes": false, "pooled": true)", "vit.pooler.dense.weight[fixed.12, s*]"},
    {"vit", vit, R"("distilled": true, "two_heads": true)", "pos: fixed(6)"},
    {"clip", clip, R"("vision": false)", "text_projection.weight[fixed.6, n*]"},
    {"clip", clip, R"("text": false)", "visual_projection.weight[fixed.6, vn*]"},
    {"t5", t5, R"("decodes": false, "gated": true)", "s: fixed(12)"},
    {"vit_timm", timm, R"("classes": false)", "s: fixed(12)"},
    {"vit_timm", timm, R"("distilled": true, "scaled": true)", "head_dist.weight[fixed.5, n*]"},
    {"falcon", falcon, R"("new_decoder_architecture": false, "tie_word_embeddings": false)", "kv.0: permutation(1)"},
    {"falcon", falcon,
     R"("new_decoder_architecture": false, "tie_word_embeddings": false, "multi_query": false, "parallel_attn": false)",
     "transformer.h.1.mlp.dense_h_to_4h.weight[f.1, n2.1*]"},
    {"resnet_hf", R"("hidden_act": "relu")",
     R"("classes": false, "embedding_size": 4, "hidden_sizes": [4, 6], "depths": [2, 1], "num_channels": 3, "stages": 2)",
     "c.1: fixed(6)"},
    {"resnet50_hf", R"("hidden_act": "relu")",
     R"("classes": false, "embedding_size": 4, "hidden_sizes": [4, 8], "depths": [2, 1], "num_channels": 3, "stages": 2)",
     "c.2: fixed(8)"},
    {"convnext", R"("model_type": "convnext")",
     R"("classes": false, "hidden_sizes": [4, 6], "num_stages": 2, "depths": [1, 2], "num_channels": 3, "patch_size": 4)",
     "s.1: fixed(6)"},
    {"lstm_proj", R"("hidden_size": 5)",
     R"("num_layers": 1, "bidirectional": false, "headed": false, "input_size": 3, "proj_size": 4)", "p0: fixed(4)"},
    {"resnet50", R"("labels": 5)",
     R"("width": 4, "widths": [4, 8, 8, 8], "middle": [2, 2, 3, 2], "depths": [1, 2, 1, 1], "groups": 2)",
     "layer1.0.conv2.weight[g.1.0, l.1.0, m.1.0*, fixed.3, fixed.3]"},
};

std::vector<StoredTensor> stored(const FileSpace& files, const std::string& without = "") {
  std::vector<StoredTensor> out;
  for (const FileEntry& file : files.files)
    for (const std::string& name : file.names)
      out.push_back({name.starts_with(without) ? name.substr(without.size()) : name, file.shape});
  return out;
}

Json config_of(const std::string& members) { return Json::parse("{" + members + "}"); }

}  // namespace

TEST_CASE("architectures: what a file has says which head it is of") {
  for (const Variant& v : variants) {
    CAPTURE(v.name);
    CAPTURE(v.told);
    const Json all = config_of(std::string(v.config) + ", " + v.told);
    const FileSpace files = FileSpace::parse(architecture_text(v.name).parsed().expanded(all).text);
    CHECK_MESSAGE(files.space.str().find(v.holds) != std::string::npos, files.space.str());
    const FoundArchitecture found = found_architecture({stored(files), config_of(v.config)});
    CHECK(found.name == v.name);
    CHECK(found.files.space == files.space);
    CHECK(found.files.windows == files.windows);
  }
}

TEST_CASE("architectures: names that files have without their module") {
  const std::tuple<const char*, std::string, const char*> cases[] = {
      {"bert", std::string(bert) + R"(, "classes": false)", "bert."},
      {"distilbert", std::string(distilbert) + R"(, "classes": false, "pooled": false)", "distilbert."},
      {"gpt2", std::string(gpt2) + R"(, "tie_word_embeddings": true)", "transformer."},
      {"llama", std::string(llama) + R"(, "tie_word_embeddings": true)", "model."},
      {"vit", std::string(vit) + R"(, "classes": false)", "vit."},
      {"clip_text", R"("vocab_size": 11, "hidden_size": 12, "num_attention_heads": 3, "num_hidden_layers": 2,
                       "intermediate_size": 10, "max_position_embeddings": 7)",
       ""},
      {"convnext", R"("classes": false, "hidden_sizes": [4, 6], "num_stages": 2, "depths": [1, 2], "num_channels": 3,
                      "patch_size": 4)",
       "convnext."},
  };
  for (const auto& [name, members, module] : cases) {
    CAPTURE(name);
    const FileSpace files = FileSpace::parse(architecture_text(name).parsed().expanded(config_of(members)).text);
    const FoundArchitecture found = found_architecture({stored(files, module), config_of(members)});
    CHECK(found.name == name);
    CHECK(found.files.space == files.space);
    CHECK(module + found.files.files[0].names[0] == files.files[0].names[0]);
  }
}

TEST_CASE("architectures: a model without a head gives its stream where its config says so") {
  for (const auto& [name, members, model] : {std::tuple{"llama", llama, "LlamaModel"}, {"gpt2", gpt2, "GPT2Model"}}) {
    CAPTURE(name);
    const auto stream = [&, text = architecture_text(name), own = std::string(members)](const std::string& more) {
      const Json config = config_of(own + R"(, "tie_word_embeddings": true)" + more);
      const FileSpace files = FileSpace::parse(text.parsed().expanded(config).text);
      const Space found = found_architecture({stored(files), config}).files.space;
      return found.factors()[static_cast<std::size_t>(found.find_factor("s"))].kind->name;
    };
    CHECK(stream(R"(, "architectures": [")" + std::string(model) + "\"]") == std::string_view("fixed"));
    CHECK(stream("") != std::string_view("fixed"));
  }
}

TEST_CASE("architectures: published zoos are found by their names") {
  const auto name_of = [](std::vector<StoredTensor> tensors, const char* members = "") {
    return found_architecture({tensors, config_of(members)}).name;
  };
  const std::vector<StoredTensor> siren{{"net.0.linear.weight", {32, 2}},  {"net.0.linear.bias", {32}},
                                        {"net.1.linear.weight", {32, 32}}, {"net.1.linear.bias", {32}},
                                        {"net.2.weight", {3, 32}},         {"net.2.bias", {3}}};
  CHECK(name_of(siren) == "siren");
  const std::vector<StoredTensor> labelled{{"seq.0.weight", {32, 2}},
                                           {"seq.0.bias", {32}},
                                           {"seq.1.weight", {1, 32}},
                                           {"seq.1.bias", {1}},
                                           {"label", {}, false}};
  CHECK(name_of(labelled) == "mlp");
  const std::vector<StoredTensor> modelzoo{{"module_list.0.weight", {8, 1, 5, 5}}, {"module_list.0.bias", {8}},
                                           {"module_list.3.weight", {6, 8, 5, 5}}, {"module_list.3.bias", {6}},
                                           {"module_list.6.weight", {4, 6, 2, 2}}, {"module_list.6.bias", {4}},
                                           {"module_list.9.weight", {20, 36}},     {"module_list.9.bias", {20}},
                                           {"module_list.11.weight", {10, 20}},    {"module_list.11.bias", {10}}};
  CHECK(name_of(modelzoo) == "cnn_sequential");
  const std::vector<StoredTensor> park{{"model.layers.0.weight", {4, 3, 7, 7}},
                                       {"model.layers.0.bias", {4}},
                                       {"model.layers.1.weight", {6, 4, 7, 7}},
                                       {"model.layers.1.bias", {6}},
                                       {"model.fc.weight", {10, 6}},
                                       {"model.fc.bias", {10}},
                                       {"optimizer.state.0.exp_avg", {4, 3, 7, 7}}};
  CHECK(name_of(park) == "cnn");
  const std::vector<StoredTensor> adapters{{"unet.a.to_q.lora.down.weight", {2, 5}},
                                           {"unet.a.to_q.lora.up.weight", {4, 2}},
                                           {"lora_unet_b.lora_down.weight", {3, 4, 3, 3}},
                                           {"lora_unet_b.lora_up.weight", {5, 3, 1, 1}},
                                           {"lora_unet_b.alpha", {}},
                                           {"m.wte.lora_embedding_A", {2, 11}},
                                           {"m.wte.lora_embedding_B", {7, 2}}};
  CHECK(name_of(adapters) == "lora");
}
