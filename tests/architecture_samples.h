#pragma once
// A tiny network of each text of an architecture.

namespace weft::testing {

struct Tiny {
  const char* name;
  const char* config;
  bool from_shapes = false;  ///< names and shapes tell all of it
};

inline constexpr const char* llama =
    R"({"vocab_size": 11, "hidden_size": 12, "intermediate_size": 14, "num_hidden_layers": 2, "num_attention_heads": 6,
        "num_key_value_heads": 3, "head_dim": 8, "tie_word_embeddings": false, "num_local_experts": 4})";
inline constexpr const char* rnn =
    R"({"num_layers": 2, "bidirectional": true, "headed": true, "hidden_size": 5, "input_size": 3, "outputs": 2})";

inline constexpr Tiny tiny[] = {
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
    {"convnext",
     R"({"labels": 5, "hidden_sizes": [4, 6], "num_stages": 2, "depths": [1, 2], "num_channels": 3, "patch_size": 4})",
     true},
    {"deepseek",
     R"({"model_type": "deepseek_v3", "vocab_size": 11, "hidden_size": 12, "num_attention_heads": 3, "qk_nope_head_dim": 4,
                     "qk_rope_head_dim": 2, "v_head_dim": 5, "kv_lora_rank": 6, "q_lora_rank": 7, "num_hidden_layers": 2,
                     "first_k_dense_replace": 1, "intermediate_size": 9, "moe_intermediate_size": 3, "n_routed_experts": 4,
                     "n_shared_experts": 2, "n_group": 1})"},
    {"gemma",
     R"({"model_type": "gemma", "vocab_size": 11, "hidden_size": 12, "intermediate_size": 14, "num_hidden_layers": 2,
                  "num_attention_heads": 4, "num_key_value_heads": 1, "head_dim": 6, "tie_word_embeddings": true})"},
    {"gpt2",
     R"({"vocab_size": 11, "n_positions": 8, "n_embd": 12, "n_layer": 2, "n_head": 3, "n_inner": 20, "tie_word_embeddings": true})"},
    {"gpt_neox",
     R"({"vocab_size": 11, "hidden_size": 16, "num_attention_heads": 2, "rotary_pct": 0.25, "num_hidden_layers": 2,
                     "intermediate_size": 14})"},
    {"gptj", R"({"vocab_size": 11, "n_embd": 12, "n_head": 2, "n_layer": 2, "rotary_dim": 4})"},
    {"gru", rnn, true},
    {"llama", llama},
    {"lstm", rnn, true},
    {"mixtral", llama},
    {"mixtral_stacked", llama},
    {"mlp", R"({"widths": [3, 5, 4, 2], "layers": 3})", true},
    {"phi3",
     R"({"vocab_size": 11, "hidden_size": 12, "intermediate_size": 14, "num_hidden_layers": 2, "num_attention_heads": 6,
                 "num_key_value_heads": 3, "head_dim": 8, "tie_word_embeddings": false, "partial_rotary_factor": 0.5})"},
    {"qwen3", llama},
    {"resnet18", R"({"widths": [4, 4, 6, 8], "depths": [1, 2, 1, 1], "labels": 5})", true},
    {"resnet_hf",
     R"({"embedding_size": 4, "hidden_sizes": [4, 6], "depths": [2, 2], "num_channels": 3, "stages": 2, "labels": 5})",
     true},
    {"rnn", rnn, true},
    {"siren", R"({"widths": [2, 5, 4, 1], "sines": 2})", true},
    {"t5", R"({"vocab_size": 11, "d_model": 12, "d_kv": 4, "num_heads": 3, "d_ff": 10, "num_layers": 2, "gated": true,
               "relative_attention_num_buckets": 6, "tie_word_embeddings": true})"},
    {"vgg",
     R"({"convolutions": 2, "channels": [4, 5], "batch_norm": true, "num_channels": 3, "labels": 5, "widths": [6, 7],
                "places": 4})",
     true},
    {"vit",
     R"({"hidden_size": 12, "intermediate_size": 14, "num_hidden_layers": 2, "num_attention_heads": 3, "image_size": 8,
                "patch_size": 4, "num_channels": 3, "labels": 5})"},
};

}  // namespace weft::testing
