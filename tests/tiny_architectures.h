#pragma once
// Every text of networks/architectures at a small size.

#include "weft/io/json.h"
#include "weft/networks/files/architecture_text.h"
#include "weft/networks/files/file_space.h"

namespace weft::testing {

struct TinyArchitecture {
  const char* name;
  const char* config;
  bool from_shapes = false;  ///< names and shapes tell all of it
};

inline constexpr const char* tiny_llama =
    R"({"vocab_size": 11, "hidden_size": 12, "intermediate_size": 14, "num_hidden_layers": 2, "num_attention_heads": 6,
        "num_key_value_heads": 3, "head_dim": 8, "tie_word_embeddings": false, "num_local_experts": 4})";
inline constexpr const char* tiny_rnn =
    R"({"num_layers": 2, "bidirectional": true, "headed": true, "hidden_size": 5, "input_size": 3, "outputs": 2})";

inline const TinyArchitecture tiny_architectures[] = {
    {"bert", R"({"vocab_size": 11, "hidden_size": 12, "intermediate_size": 14, "num_hidden_layers": 2, "labels": 5,
                 "num_attention_heads": 3, "max_position_embeddings": 8, "type_vocab_size": 2})"},
    {"bloom",
     R"({"model_type": "bloom", "vocab_size": 11, "hidden_size": 12, "n_head": 3, "n_layer": 2, "tie_word_embeddings": true})"},
    {"clip",
     R"({"projection_dim": 6, "vocab_size": 11, "text_positions": 7, "text_intermediate": 10, "vision_intermediate": 9,
                 "text_config": {"hidden_size": 12, "num_attention_heads": 3, "num_hidden_layers": 2},
                 "vision_config": {"hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 1},
                 "image_size": 8, "patch_size": 4})"},
    {"clip_text", R"({"vocab_size": 11, "hidden_size": 12, "num_attention_heads": 3, "num_hidden_layers": 2,
                      "intermediate_size": 10, "max_position_embeddings": 7})"},
    {"clip_vision", R"({"hidden_size": 12, "num_attention_heads": 3, "num_hidden_layers": 2, "intermediate_size": 10,
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
                  "num_attention_heads": 4, "num_key_value_heads": 1, "head_dim": 6, "tie_word_embeddings": true})"},
    {"gemma2", tiny_llama},
    {"gemma3", tiny_llama},
    {"gpt2",
     R"({"vocab_size": 11, "n_positions": 8, "n_embd": 12, "n_layer": 2, "n_head": 3, "n_inner": 20, "tie_word_embeddings": true})"},
    {"gpt_neox",
     R"({"vocab_size": 11, "hidden_size": 16, "num_attention_heads": 2, "rotary_pct": 0.25, "num_hidden_layers": 2,
                     "intermediate_size": 14, "tie_word_embeddings": false})"},
    {"gptj", R"({"vocab_size": 11, "n_embd": 12, "n_head": 2, "n_layer": 2, "rotary_dim": 4})"},
    {"gru", tiny_rnn, true},
    {"llama", tiny_llama},
    {"lstm", tiny_rnn, true},
    {"lstm_proj",
     R"({"num_layers": 2, "bidirectional": true, "headed": true, "hidden_size": 5, "input_size": 3, "proj_size": 4,
         "outputs": 2})",
     true},
    {"mha", R"({"num_heads": 3, "embed_dim": 12, "kdim": 5, "vdim": 6})"},
    {"mixtral", tiny_llama},
    {"mixtral_stacked", tiny_llama},
    {"mlp", R"({"widths": [3, 5, 4, 2], "layers": 3})", true},
    {"olmo2", tiny_llama},
    {"opt",
     R"({"vocab_size": 11, "hidden_size": 12, "num_attention_heads": 3, "num_hidden_layers": 2, "ffn_dim": 14,
         "max_position_embeddings": 6, "tie_word_embeddings": true})"},
    {"phi3",
     R"({"vocab_size": 11, "hidden_size": 12, "intermediate_size": 14, "num_hidden_layers": 2, "num_attention_heads": 6,
                 "num_key_value_heads": 3, "head_dim": 8, "tie_word_embeddings": false, "partial_rotary_factor": 0.5})"},
    {"prelu", R"({"widths": [3, 5, 4, 2], "layers": 3, "slopes": [1, 4]})", true},
    {"qwen3", tiny_llama},
    {"resnet18", R"({"widths": [4, 4, 6, 8], "depths": [1, 2, 1, 1], "labels": 5})", true},
    {"resnet50", R"({"width": 4, "widths": [4, 4, 6, 8], "middle": [2, 3, 3, 2], "depths": [1, 2, 1, 1], "labels": 5})",
     true},
    {"resnet50_hf",
     R"({"embedding_size": 4, "hidden_sizes": [4, 8], "depths": [2, 1], "num_channels": 3, "stages": 2, "labels": 5})",
     true},
    {"resnet_hf",
     R"({"embedding_size": 4, "hidden_sizes": [4, 6], "depths": [2, 2], "num_channels": 3, "stages": 2, "labels": 5})",
     true},
    {"rnn", tiny_rnn, true},
    {"siren", R"({"widths": [2, 5, 4, 1], "sines": 2})", true},
    {"small_transformer",
     R"({"width": 8, "num_channels": 1, "patch_size": 4, "positions": 9, "layers": 2, "intermediate": 10, "hidden": 6,
         "labels": 5})",
     true},
    {"stablelm",
     R"({"model_type": "stablelm", "vocab_size": 11, "hidden_size": 12, "intermediate_size": 14, "num_hidden_layers": 2,
         "num_attention_heads": 3, "partial_rotary_factor": 0.5, "use_parallel_residual": false,
         "tie_word_embeddings": false})"},
    {"starcoder2", tiny_llama},
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
         "max_source_positions": 6, "max_target_positions": 7, "tie_word_embeddings": true})"},
};

inline FileSpace expanded(const TinyArchitecture& one) {
  return FileSpace::parse(architecture_text(one.name).parsed().expanded(Json::parse(one.config)).text);
}

}  // namespace weft::testing
