"""The networks: one of each architecture that weft has a text of, small, of the library that users have it from."""
import torchvision
import transformers as hf
from torch import nn

from harness import *
from modules import *

ids = torch.tensor([[3, 1, 4, 1, 5, 9, 2], [6, 5, 3, 5, 8, 9, 7]])
segments = torch.tensor([[0, 0, 0, 1, 1, 1, 1]] * 2)
targets = torch.tensor([[0, 2, 7, 1, 8], [0, 4, 5, 9, 0]])
captions = torch.tensor([[3, 1, 4, 1, 5, 9, 10], [6, 5, 3, 5, 8, 9, 10], [2, 7, 1, 8, 2, 8, 10]])
ends = dict(bos_token_id=0, eos_token_id=0, pad_token_id=0)


def numbers(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def logits(model):
    return model(ids).logits.flatten(0, 1)


def of(x):
    """The outputs of a module of one argument, which has the module's dtype."""
    return lambda model: model(x.to(next(model.parameters()).dtype))


def images(x):
    return lambda model: model(x.to(model.dtype)).logits


def language(name, text, config, model, controls=(), options=None, cast=5e-7, **sizes):
    def make():
        torch.manual_seed(0)
        return getattr(hf, model)(getattr(hf, config)(**sizes, **(options or {})))
    return Pretrained(name, text, make, logits, controls, options=options, cast=cast)


gpt2 = dict(vocab_size=11, n_positions=8, n_embd=12, n_layer=2, n_head=3, n_inner=20, **ends)
llama = dict(vocab_size=11, hidden_size=12, intermediate_size=14, num_hidden_layers=2, num_attention_heads=6,
             num_key_value_heads=3, head_dim=8, max_position_embeddings=32, tie_word_embeddings=False, **ends)
mixtral = llama | dict(num_attention_heads=4, num_key_value_heads=2, head_dim=6, intermediate_size=8,
                       num_local_experts=4, num_experts_per_tok=2)
neox = dict(vocab_size=11, hidden_size=24, intermediate_size=14, num_hidden_layers=2, num_attention_heads=3,
            max_position_embeddings=32, rotary_pct=0.5, tie_word_embeddings=False, **ends)
deepseek = dict(vocab_size=11, hidden_size=12, intermediate_size=14, moe_intermediate_size=6, num_hidden_layers=2,
                num_attention_heads=3, num_key_value_heads=3, q_lora_rank=5, kv_lora_rank=8, qk_nope_head_dim=4,
                qk_rope_head_dim=4, v_head_dim=6, n_routed_experts=4, n_shared_experts=1, num_experts_per_tok=2,
                n_group=1, topk_group=1, first_k_dense_replace=1, max_position_embeddings=32,
                tie_word_embeddings=False, **ends)
bert = dict(vocab_size=11, hidden_size=12, intermediate_size=14, num_hidden_layers=2, num_attention_heads=3,
            max_position_embeddings=8, type_vocab_size=2, num_labels=5)
vit = dict(hidden_size=12, intermediate_size=14, num_hidden_layers=2, num_attention_heads=3, image_size=8, patch_size=4,
           num_channels=3, num_labels=5)
clip_text = dict(vocab_size=11, hidden_size=12, intermediate_size=14, num_hidden_layers=2, num_attention_heads=3,
                 max_position_embeddings=8, bos_token_id=0, eos_token_id=10)
clip_vision = dict(hidden_size=8, intermediate_size=10, num_hidden_layers=2, num_attention_heads=2, image_size=8,
                   patch_size=4)
t5 = dict(vocab_size=11, d_model=12, d_kv=5, d_ff=14, num_layers=2, num_decoder_layers=2, num_heads=3,
          relative_attention_num_buckets=8, relative_attention_max_distance=16)
convnext = dict(hidden_sizes=[4, 6], depths=[1, 2], num_stages=2, num_channels=3, patch_size=4, num_labels=5)
resnet = dict(embedding_size=4, hidden_sizes=[4, 6], depths=[2, 2], num_channels=3, layer_type="basic", num_labels=5)

qwen = {k: v for k, v in llama.items() if k != "head_dim"} | dict(hidden_size=24)
opt = dict(vocab_size=11, hidden_size=12, ffn_dim=14, num_hidden_layers=2, num_attention_heads=3,
           max_position_embeddings=16, word_embed_proj_dim=12, tie_word_embeddings=True, **ends)
falcon = dict(vocab_size=11, hidden_size=24, num_hidden_layers=2, num_attention_heads=6, **ends)
whisper = dict(vocab_size=11, d_model=12, encoder_attention_heads=3, decoder_attention_heads=2, num_mel_bins=4,
               encoder_layers=2, decoder_layers=2, encoder_ffn_dim=10, decoder_ffn_dim=9, max_source_positions=6,
               max_target_positions=8, decoder_start_token_id=0, **ends)
distilbert = dict(vocab_size=11, dim=12, hidden_dim=14, n_layers=2, n_heads=3, max_position_embeddings=8, num_labels=5)

of_gpt2 = [
    ("GELU units scaled", "f.{i}: permutation", "f.{i}: positive_monomial"),
    ("stream with signs", "s: permutation", "s: sign_monomial"),
    ("k in the role of q", "k: h.{i} q.{i}*", "k: h.{i} q.{i}"),
    ("norm's bias not scaled", "ln_1.bias [n1.{i}]", "ln_1.bias [s]"),
]
of_llama = [
    ("GL instead of rotary", "q.{i}: rotary(", "q.{i}: GL("),
    ("neighbouring pairs", "q.{i}: rotary(", "q.{i}: rotary_adjacent("),
    ("rotation of k as of q", "k_proj.weight [(kv.{i} q.{i}*)", "k_proj.weight [(kv.{i} q.{i})"),
    ("gate scaled as up", "gate_proj.weight [f.{i}^0", "gate_proj.weight [f.{i}"),
    ("query heads slowest", "q_proj.weight [(kv.{i} rep.{i} q.{i})", "q_proj.weight [(rep.{i} kv.{i} q.{i})"),
]


def lora():
    import peft
    torch.manual_seed(0)
    base = randomise(hf.GPT2LMHeadModel(hf.GPT2Config(**gpt2)))
    return peft.get_peft_model(base, peft.LoraConfig(r=2, lora_alpha=4, target_modules=["c_attn", "c_fc"],
                                                     fan_in_fan_out=True))


def trained_whole():
    """An adapter beside a head that was trained whole."""
    import peft
    torch.manual_seed(0)
    base = randomise(hf.GPT2ForSequenceClassification(hf.GPT2Config(**gpt2, num_labels=5)))
    return peft.get_peft_model(base, peft.LoraConfig(r=2, lora_alpha=4, target_modules=["c_attn"], fan_in_fan_out=True,
                                                     task_type="SEQ_CLS", modules_to_save=["score"]))


def speech(model):
    sound = numbers(2, 4, 12).to(model.dtype)
    return model(input_features=sound, decoder_input_ids=targets).logits.flatten(0, 1)


def spans(model):
    out = model(ids)
    return torch.cat([out.start_logits.flatten(), out.end_logits.flatten()])


def both(model):
    """Of a language model and a head of choices, which reads the last token."""
    out = model(ids[:, None])
    return torch.cat([out.logits.flatten(), out.mc_logits.flatten()])


def words(model):
    out = model(ids, token_type_ids=segments)
    return (out.logits if "logits" in out else out.prediction_logits).flatten(0, 1)


def maps(x):
    def run(model):
        out = model(x.to(model.dtype))
        return torch.cat([out.last_hidden_state.flatten(), out.pooler_output.flatten()])
    return run


small, points = numbers(3, 3, 32, 32), numbers(40, 3)
# Pooling makes outputs alike: images of several colours have some spread.
large = numbers(4, 3, 56, 56) + 3 * numbers(4, 3, 1, 1)

peers = [
    language("GPT-2, tied", "gpt2", "GPT2Config", "GPT2LMHeadModel", of_gpt2, **gpt2),
    language("GPT-2, untied", "gpt2", "GPT2Config", "GPT2LMHeadModel",
             [("tied final norm scaled", "lm_head.weight [vocab, n*]", "lm_head.weight [vocab, s]")],
             **gpt2, tie_word_embeddings=False),
    language("Llama, 6 heads on 3", "llama", "LlamaConfig", "LlamaForCausalLM", of_llama, **llama),
    language("Llama, biases", "llama", "LlamaConfig", "LlamaForCausalLM",
             [("bias of the gate scaled", "gate_proj.bias? [f.{i}^0]", "gate_proj.bias? [f.{i}]")],
             **llama, attention_bias=True, mlp_bias=True),
    language("Llama, tied", "llama", "LlamaConfig", "LlamaForCausalLM",
             [("tied final norm takes the sign", "model.norm.weight [s^0]", "model.norm.weight [s]")],
             **llama | dict(tie_word_embeddings=True)),
    language("Mistral, window of 4", "llama", "MistralConfig", "MistralForCausalLM", **llama, sliding_window=4),
    language("Qwen2", "llama", "Qwen2Config", "Qwen2ForCausalLM",
             [("bias of k as of q", "k_proj.bias? [(kv.{i} q.{i}*)]", "k_proj.bias? [(kv.{i} q.{i})]")], **llama),
    language("Qwen3", "qwen3", "Qwen3Config", "Qwen3ForCausalLM",
             [("query heads slowest", "[(kv.{i} rep.{i} 2 z.{i})", "[(rep.{i} kv.{i} 2 z.{i})")], **llama),
    language("Mixtral", "mixtral", "MixtralConfig", "MixtralForCausalLM",
             [("router not permuted", "gate.weight [e.{i}, s", "gate.weight [$num_local_experts, s"),
              ("w1 scaled too", "w1.weight [f.{i}^0", "w1.weight [f.{i}")],
             dict(experts_implementation="eager"), **mixtral),
    Stored("Mixtral, stacked in memory", "mixtral_stacked",
           lambda: hf.MixtralForCausalLM(hf.MixtralConfig(**mixtral, experts_implementation="eager")), logits,
           [("up before gate", "(gate: f.{i}^0 | up: f.{i})", "(up: f.{i} | gate: f.{i}^0)")], config=mixtral),
    language("Gemma", "gemma", "GemmaConfig", "GemmaForCausalLM",
             [("norms without 1", "input_layernorm.weight + 1", "input_layernorm.weight")],
             **llama | dict(tie_word_embeddings=True)),
    language("Phi-3", "phi3", "Phi3Config", "Phi3ForCausalLM",
             [("gate scaled as up", "(gate: f.{i}^0 |", "(gate: f.{i} |")],
             **{k: v for k, v in llama.items() if k != "head_dim"} | dict(hidden_size=24)),
    language("Phi-3, partly rotary", "phi3", "Phi3Config", "Phi3ForCausalLM",
             **{k: v for k, v in llama.items() if k != "head_dim"} | dict(
                 hidden_size=48, rope_parameters=dict(rope_type="default", rope_theta=1e4, partial_rotary_factor=0.5))),
    language("GPT-NeoX, parallel", "gpt_neox", "GPTNeoXConfig", "GPTNeoXForCausalLM", **neox,
             use_parallel_residual=True),
    language("GPT-NeoX, serial", "gpt_neox", "GPTNeoXConfig", "GPTNeoXForCausalLM", **neox,
             use_parallel_residual=False),
    language("GPT-J", "gptj", "GPTJConfig", "GPTJForCausalLM",
             [("pairs half a head apart", "r.{i}: rotary_adjacent(", "r.{i}: rotary("),
              ("GELU units scaled", "f.{i}: permutation", "f.{i}: positive_monomial")],
             vocab_size=11, n_positions=8, n_embd=24, n_layer=2, n_head=3, rotary_dim=4, n_inner=20, **ends),
    language("BLOOM", "bloom", "BloomConfig", "BloomForCausalLM",
             [("heads permuted", "h.{i}: fixed(", "h.{i}: permutation(")],
             vocab_size=11, hidden_size=12, n_layer=2, n_head=3, **ends),
    language("DeepSeek-V3", "deepseek", "DeepseekV3Config", "DeepseekV3ForCausalLM",
             [("rotary part as GL", "r.{i}: rotary_adjacent(", "r.{i}: GL(")], dict(experts_implementation="eager"),
             **deepseek),
    language("DeepSeek-V3, groups", "deepseek", "DeepseekV3Config", "DeepseekV3ForCausalLM", (),
             dict(experts_implementation="eager"), **deepseek | dict(n_group=2, topk_group=1)),
    language("DeepSeek-V2", "deepseek", "DeepseekV2Config", "DeepseekV2ForCausalLM", (),
             dict(experts_implementation="eager"), **deepseek),
    Pretrained("BERT", "bert", lambda: hf.BertForSequenceClassification(hf.BertConfig(**bert)),
               lambda m: m(ids, token_type_ids=segments).logits,
               [("signs of the stream", "s: permutation", "s: sign_monomial"),
                ("pooler scaled", "p: sign_monomial", "p: positive_monomial")]),
    Pretrained("ViT", "vit", lambda: hf.ViTForImageClassification(hf.ViTConfig(**vit)), images(numbers(4, 3, 8, 8)),
               [("stream with signs", "s: permutation", "s: sign_monomial"),
                ("norm's scale not undone", "value.weight [(h.{i} v.{i}), n1.{i}*]", "value.weight [(h.{i} v.{i}), s*]")]),
    Pretrained("CLIP", "clip", lambda: hf.CLIPModel(hf.CLIPConfig(text_config=clip_text, vision_config=clip_vision,
                                                                  projection_dim=6)),
               lambda m: m(input_ids=captions, pixel_values=numbers(4, 3, 8, 8).to(m.dtype)).logits_per_image,
               [("GL on the joint space", "e: orthogonal", "e: GL"),
                ("a sign of one tower", "a, b: positive_monomial(1)", "a: monomial(1); b: positive_monomial(1)")]),
    Pretrained("T5 1.0", "t5", lambda: hf.T5ForConditionalGeneration(
        hf.T5Config(**t5, feed_forward_proj="relu", tie_word_embeddings=True)),
               lambda m: m(input_ids=ids, decoder_input_ids=targets).logits.flatten(0, 1),
               [("signs of ReLU units", "ef.{i}: positive_monomial", "ef.{i}: monomial")]),
    Pretrained("T5 1.1, gated", "t5", lambda: hf.T5ForConditionalGeneration(
        hf.T5Config(**t5, feed_forward_proj="gated-gelu", tie_word_embeddings=False)),
               lambda m: m(input_ids=ids, decoder_input_ids=targets).logits.flatten(0, 1),
               [("wi_0 scaled", "wi_0.weight [ef.{i}^0", "wi_0.weight [ef.{i}")]),
    Pretrained("ConvNeXt", "convnext", lambda: hf.ConvNextForImageClassification(hf.ConvNextConfig(**convnext)),
               images(small), [("GELU units scaled", "f.{j}.{b}: permutation", "f.{j}.{b}: positive_monomial")]),
    Pretrained("ResNet, transformers", "resnet_hf",
               lambda: hf.ResNetForImageClassification(hf.ResNetConfig(**resnet)), images(small),
               [("signs behind ReLU", "c.0: positive_monomial", "c.0: monomial")]),
    Pretrained("ResNet-50, transformers", "resnet50_hf",
               lambda: hf.ResNetForImageClassification(hf.ResNetConfig(**resnet | dict(layer_type="bottleneck",
                                                                                       hidden_sizes=[8, 12]))),
               images(small)),
    Stored("resnet18, torchvision", "resnet18", lambda: torchvision.models.resnet18(num_classes=5), of(small)),
    Stored("resnet50, torchvision", None, lambda: torchvision.models.resnet50(num_classes=5), of(small[:2]),
           single=1e-4),  # fifty layers round
    Stored("VGG, torchvision", "vgg", vgg, of(large),
           [("flattened with the places slowest", "(c.{convolutions-1}* $places)", "($places c.{convolutions-1}*)")]),
    Stored("VGG, batch norms", "vgg", lambda: vgg(True), of(large)),
    Stored("LSTM, 2 layers both ways", "lstm", headed(lambda: nn.LSTM(3, 5, 2, bidirectional=True), 10),
           of(numbers(9, 4, 3)), [("a gate with the sign", "i: h{l}^0", "i: h{l}")]),
    Stored("GRU", "gru", headed(lambda: nn.GRU(3, 5, 2), 5), of(numbers(9, 4, 3))),
    Stored("RNN, tanh", "rnn", headed(lambda: nn.RNN(3, 5, 2), 5), of(numbers(9, 4, 3)),
           [("scales", "sign_monomial", "positive_monomial")]),
    Stored("RNN, ReLU", "rnn", headed(lambda: nn.RNN(3, 5, 1, nonlinearity="relu"), 5), of(numbers(9, 4, 3)),
           config=dict(nonlinearity="relu")),
    Stored("MLP, ReLU", "mlp", lambda: layers(3, 6, 5, 2), of(points),
           [("signs", "positive_monomial", "sign_monomial")], config=dict(activation="relu")),
    Stored("MLP, tanh", "mlp", lambda: layers(3, 6, 5, 2, activation=nn.Tanh), of(points),
           [("scales", "sign_monomial", "positive_monomial")], config=dict(activation="tanh")),
    Stored("MLP of any activation", "mlp", lambda: layers(3, 6, 5, 2, activation=nn.SiLU), of(points)),
    Stored("CNN", "cnn", Cnn, of(small[:, :, :12, :12]), config=dict(activation="relu")),
    Stored("CNN, nn.Sequential", None, convolutions, of(small[:, :, :12, :12]), config=dict(activation="relu")),
    Stored("SIREN", "siren", lambda: nn.Sequential(Sine(2, 6), Sine(6, 5), nn.Linear(5, 3)), of(numbers(40, 2))),
    Adapter("LoRA of GPT-2, PEFT", "lora", lora, logits),
    language("Gemma 2", "gemma2", "Gemma2Config", "Gemma2ForCausalLM",
             [("norm behind as in front", "post_attention_layernorm.weight + 1 [s&a.{i}*]",
               "post_attention_layernorm.weight + 1 [a.{i}]")], cast=1e-6,  # norms on both sides, all in float32
             **llama | dict(tie_word_embeddings=True)),
    language("Gemma 3", "gemma3", "Gemma3TextConfig", "Gemma3ForCausalLM", **llama | dict(tie_word_embeddings=True)),
    language("OLMo 2", "olmo2", "Olmo2Config", "Olmo2ForCausalLM", **qwen),
    language("OLMo 2, tied", "olmo2", "Olmo2Config", "Olmo2ForCausalLM", **qwen | dict(tie_word_embeddings=True)),
    language("OPT", "opt", "OPTConfig", "OPTForCausalLM",
             [("signs of ReLU units", "f.{i}: positive_monomial", "f.{i}: monomial")], **opt),
    language("OPT, norms behind", "opt", "OPTConfig", "OPTForCausalLM",
             [("stream with signs", "s: permutation", "s: sign_monomial")], **opt, do_layer_norm_before=False),
    language("OPT, behind, untied", "opt", "OPTConfig", "OPTForCausalLM",
             **opt | dict(tie_word_embeddings=False, do_layer_norm_before=False)),
    language("OPT-350M's, projected", "opt", "OPTConfig", "OPTForCausalLM",
             [("tokens as what is projected", "project_out.weight [e*, n*]", "project_out.weight [e, n*]")],
             **opt | dict(do_layer_norm_before=False, word_embed_proj_dim=6)),
    language("OPT, projected, untied", "opt", "OPTConfig", "OPTForCausalLM",
             **opt | dict(word_embed_proj_dim=6, tie_word_embeddings=False)),
    language("OPT, scored", "opt", "OPTConfig", "OPTForSequenceClassification", **opt, num_labels=5),
    language("OPT, projected, scored", "opt", "OPTConfig", "OPTForSequenceClassification",
             **opt | dict(word_embed_proj_dim=6), num_labels=5),
    language("Falcon, scored", "falcon", "FalconConfig", "FalconForSequenceClassification", **falcon, num_labels=5),
    language("Gemma, scored", "gemma", "GemmaConfig", "GemmaForSequenceClassification", **llama, num_labels=5),
    language("Gemma 2, tokens", "gemma2", "Gemma2Config", "Gemma2ForTokenClassification", **llama, num_labels=5),
    language("Qwen3, scored", "qwen3", "Qwen3Config", "Qwen3ForSequenceClassification", **llama, num_labels=5),
    language("Falcon 7B's", "falcon", "FalconConfig", "FalconForCausalLM", **falcon),
    language("Falcon 40B's", "falcon", "FalconConfig", "FalconForCausalLM", **falcon, new_decoder_architecture=True,
             num_kv_heads=3, bias=True),
    language("Falcon, biases", "falcon", "FalconConfig", "FalconForCausalLM",
             [("bias of k as of q", "query_key_value.bias? [(kv.{i} (q: rep.{i} q.{i} | k: q.{i}*",
               "query_key_value.bias? [(kv.{i} (q: rep.{i} q.{i} | k: q.{i}")], **falcon, bias=True),
    language("Falcon RW's", "falcon", "FalconConfig", "FalconForCausalLM",
             [("heads with slopes move", "kv.{i}: fixed($G)", "kv.{i}: permutation($G)")],
             **falcon, bias=True, alibi=True, multi_query=False, parallel_attn=False),
    language("StableLM", "stablelm", "StableLmConfig", "StableLmForCausalLM", **qwen | dict(hidden_size=48),
             use_qkv_bias=True),
    language("StableLM, parallel, tied", "stablelm", "StableLmConfig", "StableLmForCausalLM",
             **qwen | dict(hidden_size=48, tie_word_embeddings=True), use_parallel_residual=True),
    language("StarCoder 2", "starcoder2", "Starcoder2Config", "Starcoder2ForCausalLM", **qwen),
    language("StarCoder 2, tied", "starcoder2", "Starcoder2Config", "Starcoder2ForCausalLM",
             **qwen | dict(tie_word_embeddings=True)),
    language("Qwen3, biases", "qwen3", "Qwen3Config", "Qwen3ForCausalLM",
             [("bias of q in another order", "q_proj.bias? [(kv.{i} rep.{i} 2 z.{i})]",
               "q_proj.bias? [(kv.{i} rep.{i} z.{i} 2)]")],
             **llama, attention_bias=True),
    language("GPT-NeoX, tied", "gpt_neox", "GPTNeoXConfig", "GPTNeoXForCausalLM",
             **neox | dict(tie_word_embeddings=True)),
    Pretrained("Whisper", "whisper", lambda: hf.WhisperForConditionalGeneration(hf.WhisperConfig(**whisper)), speech,
               [("what GELU gave with signs", "c, es, ds: permutation", "c, es, ds: sign_monomial")]),
    Pretrained("GPT-2, classes of tokens", "gpt2",
               lambda: hf.GPT2ForTokenClassification(hf.GPT2Config(**gpt2, num_labels=5)), logits),
    Pretrained("GPT-2, spans of answers", "gpt2", lambda: hf.GPT2ForQuestionAnswering(hf.GPT2Config(**gpt2)), spans),
    Pretrained("GPT-2, two heads", "gpt2", lambda: hf.GPT2DoubleHeadsModel(hf.GPT2Config(**gpt2, num_labels=1)), both,
               [("head of choices that stays", "summary.weight [$labels, s*]", "summary.weight [$labels, $D]")]),
    Pretrained("Llama, classes of tokens", "llama",
               lambda: hf.LlamaForTokenClassification(hf.LlamaConfig(**llama, num_labels=5)), logits),
    Pretrained("Llama, spans of answers", "llama", lambda: hf.LlamaForQuestionAnswering(hf.LlamaConfig(**llama)), spans,
               [("answers by another stream", "qa_outputs.weight [$labels, s&n*]", "qa_outputs.weight [$labels, n*]")]),
    Pretrained("BERT, masked words, tied", "bert", lambda: hf.BertForMaskedLM(hf.BertConfig(**bert)), words,
               [("signs of the stream", "s: permutation", "s: sign_monomial")]),
    Pretrained("BERT, masked words, untied", "bert",
               lambda: hf.BertForMaskedLM(hf.BertConfig(**bert, tie_word_embeddings=False)), words),
    Pretrained("BERT, pretraining", "bert", lambda: hf.BertForPreTraining(hf.BertConfig(**bert)),
               lambda m: torch.cat([words(m).flatten(),
                                    m(ids, token_type_ids=segments).seq_relationship_logits.flatten()])),
    Pretrained("DistilBERT", "distilbert",
               lambda: hf.DistilBertForSequenceClassification(hf.DistilBertConfig(**distilbert)),
               lambda m: m(ids).logits, [("pooler with signs", "p: positive_monomial", "p: monomial")]),
    Pretrained("DistilBERT, masked words", "distilbert",
               lambda: hf.DistilBertForMaskedLM(hf.DistilBertConfig(**distilbert)), logits),
    Pretrained("DistilBERT, untied", "distilbert",
               lambda: hf.DistilBertForMaskedLM(hf.DistilBertConfig(**distilbert, tie_word_embeddings=False)), logits),
    Pretrained("CLIP's text tower", "clip_text", lambda: hf.CLIPTextModel(hf.CLIPTextConfig(**clip_text)),
               lambda m: m(captions).last_hidden_state.flatten(0, 1),
               [("stream that moves", "s: fixed", "s: permutation")]),
    Pretrained("CLIP's vision tower", "clip_vision", lambda: hf.CLIPVisionModel(hf.CLIPVisionConfig(**clip_vision)),
               maps(numbers(4, 3, 8, 8)), [("stream that moves", "s: fixed", "s: permutation")]),
    Pretrained("CLIP's texts, projected", "clip",
               lambda: hf.CLIPTextModelWithProjection(hf.CLIPTextConfig(**clip_text, projection_dim=6)),
               lambda m: m(captions).text_embeds),
    Pretrained("ResNet without classes", "resnet_hf", lambda: hf.ResNetModel(hf.ResNetConfig(**resnet)), maps(small),
               [("maps that move", "c.{j}: fixed", "c.{j}: positive_monomial")]),
    Pretrained("ResNet-50 without classes", "resnet50_hf",
               lambda: hf.ResNetModel(hf.ResNetConfig(**resnet | dict(layer_type="bottleneck", hidden_sizes=[8, 12]))),
               maps(small)),
    Pretrained("ConvNeXt without classes", "convnext", lambda: hf.ConvNextModel(hf.ConvNextConfig(**convnext)),
               maps(small), [("maps that move", "s.{j}: fixed", "s.{j}: permutation")]),
    Stored("resnext50, torchvision", "resnet50",
           lambda: torchvision.models.resnext50_32x4d(num_classes=5), of(small[:2]), single=1e-4),
    Stored("ViT, torchvision", "vit_torchvision",
           lambda: torchvision.models.VisionTransformer(8, 4, 2, 3, 12, 14, num_classes=5), of(numbers(4, 3, 8, 8)),
           config=dict(num_heads=3)),
    Stored("LSTM, projected", "lstm_proj", headed(lambda: nn.LSTM(3, 5, 2, proj_size=4, bidirectional=True), 8),
           of(numbers(9, 4, 3)), [("a sign of the gates", "g: h{l} |", "g: h{l}^0 |")]),
    Stored("Attention", "mha", Attention, of(numbers(2, 7, 12)), [("k in the role of q", "k: h q*", "k: h q")],
           config=dict(num_heads=3)),
    Stored("Attention, keys of its own", "mha", lambda: Attention(add_bias_kv=True), of(numbers(2, 7, 12)),
           config=dict(num_heads=3)),
    Stored("Attention, a key of zeros", "mha", lambda: Attention(add_zero_attn=True), of(numbers(2, 7, 12)),
           config=dict(num_heads=3, add_zero_attn=True)),
    Stored("MLP, PReLU", "prelu", lambda: nn.Sequential(nn.Linear(3, 6), nn.PReLU(6), nn.Linear(6, 5), nn.PReLU(),
                                                        nn.Linear(5, 2)), of(points),
           [("slopes scaled", "{2*i+1}.weight [h.{i}^0]", "{2*i+1}.weight [h.{i}]")]),
    Stored("CNN, group norms", "cnn_groupnorm", GroupNorms, of(large[:, :, :12, :12]), config=dict(num_groups=2)),
    Stored("Small transformer", "small_transformer", SmallTransformer, of(numbers(4, 1, 12, 12))),
    Adapter("LoRA and a whole head", "lora", trained_whole, lambda model: model(ids).logits),
]
