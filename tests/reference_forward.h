#pragma once
// Small networks of files, forward in float64, written down plainly: what folds and elements of groups must not change.

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "weft/tests/architecture_files.h"

namespace weft::testing {

/// A row for each token, image place or step of time.
using Rows = std::vector<std::vector<double>>;

/// A network of a file: its numbers by name, with what forward passes are made of.
class ReferenceNetwork {
 public:
  explicit ReferenceNetwork(const Numbers& numbers) : numbers_(numbers) {}

  bool has(const std::string& name) const { return numbers_.contains(name); }
  std::span<const double> vector(const std::string& name) const { return numbers_.at(name).span<double>(); }
  std::vector<double> row(const std::string& name, std::size_t i) const {
    const auto all = vector(name);
    const std::size_t n = static_cast<std::size_t>(numbers_.at(name).dim(numbers_.at(name).rank() - 1));
    return {all.begin() + static_cast<std::ptrdiff_t>(i * n), all.begin() + static_cast<std::ptrdiff_t>((i + 1) * n)};
  }

  /// Of a matrix [out, in] and a bias, if there is one; `transposed`: [in, out].
  Rows linear(const Rows& x, const std::string& module, bool transposed = false) const {
    const auto w = vector(module + ".weight");
    const std::size_t in = x[0].size(), out = w.size() / in;
    Rows y(x.size(), std::vector<double>(out));
    for (std::size_t t = 0; t < x.size(); ++t)
      for (std::size_t o = 0; o < out; ++o) {
        y[t][o] = has(module + ".bias") ? vector(module + ".bias")[o] : 0;
        for (std::size_t i = 0; i < in; ++i) y[t][o] += x[t][i] * (transposed ? w[i * out + o] : w[o * in + i]);
      }
    return y;
  }

  Rows layer_norm(Rows x, const std::string& module, double eps) const {
    for (auto& row : x) {
      double mean = 0, square = 0;
      for (const double v : row) mean += v / static_cast<double>(row.size());
      for (const double v : row) square += (v - mean) * (v - mean) / static_cast<double>(row.size());
      for (std::size_t i = 0; i < row.size(); ++i)
        row[i] =
            (row[i] - mean) / std::sqrt(square + eps) * vector(module + ".weight")[i] + vector(module + ".bias")[i];
    }
    return x;
  }

  Rows rms_norm(Rows x, const std::string& module, double eps) const {
    for (auto& row : x) {
      double square = 0;
      for (const double v : row) square += v * v / static_cast<double>(row.size());
      for (std::size_t i = 0; i < row.size(); ++i) row[i] *= vector(module + ".weight")[i] / std::sqrt(square + eps);
    }
    return x;
  }

 private:
  const Numbers& numbers_;
};

inline Rows operator+(Rows a, const Rows& b) {
  for (std::size_t t = 0; t < a.size(); ++t)
    for (std::size_t i = 0; i < a[t].size(); ++i) a[t][i] += b[t][i];
  return a;
}

template <class F>
Rows each_number(Rows x, const F& f) {
  for (auto& row : x)
    for (double& v : row) v = f(v);
  return x;
}

inline double gelu(double x) { return x / 2 * (1 + std::erf(x / std::sqrt(2.0))); }
inline double gelu_tanh(double x) {
  return x / 2 * (1 + std::tanh(std::sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
}
inline double silu(double x) { return x / (1 + std::exp(-x)); }
inline double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

inline Rows columns(const Rows& x, std::size_t from, std::size_t n) {
  Rows out;
  for (const auto& row : x)
    out.emplace_back(row.begin() + static_cast<std::ptrdiff_t>(from),
                     row.begin() + static_cast<std::ptrdiff_t>(from + n));
  return out;
}

inline std::vector<double> softmax(std::vector<double> x) {
  double sum = 0;
  for (double& v : x) sum += v = std::exp(v);
  for (double& v : x) v /= sum;
  return x;
}

/// Heads of queries that share heads of keys and values, side by side.
inline Rows attention(const Rows& q, const Rows& k, const Rows& v, std::size_t heads, std::size_t groups, bool causal) {
  const std::size_t size = q[0].size() / heads, per = heads / groups;
  Rows out(q.size(), std::vector<double>(q[0].size()));
  for (std::size_t h = 0; h < heads; ++h)
    for (std::size_t t = 0; t < q.size(); ++t) {
      std::vector<double> scores(causal ? t + 1 : q.size());
      for (std::size_t u = 0; u < scores.size(); ++u)
        for (std::size_t i = 0; i < size; ++i)
          scores[u] += q[t][h * size + i] * k[u][h / per * size + i] / std::sqrt(static_cast<double>(size));
      scores = softmax(std::move(scores));
      for (std::size_t u = 0; u < scores.size(); ++u)
        for (std::size_t i = 0; i < size; ++i) out[t][h * size + i] += scores[u] * v[u][h / per * size + i];
    }
  return out;
}

/// Pairs (p, p + size/2) of each head, turned by place and frequency. The library has frequencies in float32.
inline Rows rotated(Rows x, std::size_t size, double theta) {
  for (std::size_t t = 0; t < x.size(); ++t)
    for (std::size_t head = 0; head < x[t].size(); head += size)
      for (std::size_t p = 0; p < size / 2; ++p) {
        double &a = x[t][head + p], &b = x[t][head + p + size / 2];
        const float power = std::pow(static_cast<float>(theta), static_cast<float>(2 * p) / static_cast<float>(size));
        const double angle = static_cast<double>(t) * static_cast<double>(1 / power), c = std::cos(angle),
                     s = std::sin(angle), old = a;
        a = old * c - b * s;
        b = b * c + old * s;
      }
  return x;
}

/// Numbers of a config.
class ReferenceConfig {
 public:
  explicit ReferenceConfig(const Json& json) : json_(json) {}
  std::size_t operator[](const char* name) const { return static_cast<std::size_t>(*json_.find(name)->whole()); }
  double number(const char* name, double otherwise) const {
    const Json* own = json_.find(name);
    return own ? *own->number() : otherwise;
  }

 private:
  const Json& json_;
};

using Tokens = std::vector<std::size_t>;

inline Rows gpt2_forward(const Numbers& numbers, const Json& config, const Tokens& tokens) {
  const ReferenceNetwork net(numbers);
  const ReferenceConfig c(config);
  const std::string top = "transformer.";
  Rows x;
  for (std::size_t t = 0; t < tokens.size(); ++t)
    x.push_back((Rows{net.row(top + "wte.weight", tokens[t])} + Rows{net.row(top + "wpe.weight", t)})[0]);
  const std::size_t width = c["n_embd"];
  for (std::size_t i = 0; i < c["n_layer"]; ++i) {
    const std::string layer = fmt::format("{}h.{}.", top, i);
    const Rows all = net.linear(net.layer_norm(x, layer + "ln_1", 1e-5), layer + "attn.c_attn", true);
    x = x + net.linear(attention(columns(all, 0, width), columns(all, width, width), columns(all, 2 * width, width),
                                 c["n_head"], c["n_head"], true),
                       layer + "attn.c_proj", true);
    const Rows inner = net.linear(net.layer_norm(x, layer + "ln_2", 1e-5), layer + "mlp.c_fc", true);
    x = x + net.linear(each_number(inner, gelu_tanh), layer + "mlp.c_proj", true);
  }
  Numbers head;
  head.emplace("head.weight", numbers.at(numbers.contains("lm_head.weight") ? "lm_head.weight" : top + "wte.weight"));
  return ReferenceNetwork(head).linear(net.layer_norm(x, top + "ln_f", 1e-5), "head");
}

/// Also Mixtral, whose experts stand where Llama has its gated neurons.
inline Rows llama_forward(const Numbers& numbers, const Json& config, const Tokens& tokens) {
  const ReferenceNetwork net(numbers);
  const ReferenceConfig c(config);
  const bool experts = config.find("num_local_experts") != nullptr;
  const double eps = c.number("rms_norm_eps", 1e-6), theta = c.number("rope_theta", experts ? 1e6 : 1e4);
  Rows x;
  for (const std::size_t token : tokens) x.push_back(net.row("model.embed_tokens.weight", token));
  const auto gated = [&](const Rows& in, const std::string& gate, const std::string& up, const std::string& down) {
    Rows f = each_number(net.linear(in, gate), silu);
    const Rows by = net.linear(in, up);
    for (std::size_t t = 0; t < f.size(); ++t)
      for (std::size_t k = 0; k < f[t].size(); ++k) f[t][k] *= by[t][k];
    return net.linear(f, down);
  };
  for (std::size_t i = 0; i < c["num_hidden_layers"]; ++i) {
    const std::string layer = fmt::format("model.layers.{}.", i), own = layer + "self_attn.";
    const Rows in = net.rms_norm(x, layer + "input_layernorm", eps);
    const Rows q = rotated(net.linear(in, own + "q_proj"), c["head_dim"], theta),
               k = rotated(net.linear(in, own + "k_proj"), c["head_dim"], theta);
    x = x + net.linear(attention(q, k, net.linear(in, own + "v_proj"), c["num_attention_heads"],
                                 c["num_key_value_heads"], true),
                       own + "o_proj");
    const Rows y = net.rms_norm(x, layer + "post_attention_layernorm", eps);
    if (!experts) {
      x = x + gated(y, layer + "mlp.gate_proj", layer + "mlp.up_proj", layer + "mlp.down_proj");
      continue;
    }
    const std::string moe = layer + "block_sparse_moe.";
    const Rows routes = net.linear(y, moe + "gate");
    for (std::size_t t = 0; t < y.size(); ++t) {
      std::vector<double> share = softmax(routes[t]), best = share;
      std::sort(best.rbegin(), best.rend());
      double sum = 0;
      for (std::size_t e = 0; e < c["num_experts_per_tok"]; ++e) sum += best[e];
      for (std::size_t e = 0; e < share.size(); ++e) {
        if (share[e] < best[c["num_experts_per_tok"] - 1]) continue;
        const std::string expert = fmt::format("{}experts.{}.", moe, e);
        const Rows out = gated({y[t]}, expert + "w1", expert + "w3", expert + "w2");
        for (std::size_t d = 0; d < x[t].size(); ++d) x[t][d] += out[0][d] * share[e] / sum;
      }
    }
  }
  Numbers head;
  head.emplace("head.weight",
               numbers.at(numbers.contains("lm_head.weight") ? "lm_head.weight" : "model.embed_tokens.weight"));
  return ReferenceNetwork(head).linear(net.rms_norm(x, "model.norm", eps), "head");
}

/// Of BERT and ViT: a classifier reads the first place.
inline Rows bert_forward(const Numbers& numbers, const Json& config, const Tokens& tokens, const Tokens& segments) {
  const ReferenceNetwork net(numbers);
  const ReferenceConfig c(config);
  const std::string in = "bert.embeddings.";
  Rows x;
  for (std::size_t t = 0; t < tokens.size(); ++t)
    x.push_back((Rows{net.row(in + "word_embeddings.weight", tokens[t])} +
                 Rows{net.row(in + "position_embeddings.weight", t)} +
                 Rows{net.row(in + "token_type_embeddings.weight", segments[t])})[0]);
  x = net.layer_norm(x, in + "LayerNorm", 1e-12);
  for (std::size_t i = 0; i < c["num_hidden_layers"]; ++i) {
    const std::string layer = fmt::format("bert.encoder.layer.{}.", i), own = layer + "attention.self.";
    const Rows y = attention(net.linear(x, own + "query"), net.linear(x, own + "key"), net.linear(x, own + "value"),
                             c["num_attention_heads"], c["num_attention_heads"], false);
    x = net.layer_norm(x + net.linear(y, layer + "attention.output.dense"), layer + "attention.output.LayerNorm",
                       1e-12);
    const Rows f = each_number(net.linear(x, layer + "intermediate.dense"), gelu);
    x = net.layer_norm(x + net.linear(f, layer + "output.dense"), layer + "output.LayerNorm", 1e-12);
  }
  const Rows pooled = each_number(net.linear({x[0]}, "bert.pooler.dense"), [](double v) { return std::tanh(v); });
  return net.linear(pooled, "classifier");
}

/// One image [channels, rows, columns].
inline Rows vit_forward(const Numbers& numbers, const Json& config, const std::vector<double>& image) {
  const ReferenceNetwork net(numbers);
  const ReferenceConfig c(config);
  const std::string in = "vit.embeddings.";
  const std::size_t size = c["image_size"], patch = c["patch_size"], side = size / patch;
  Rows patches;
  for (std::size_t p = 0; p < side * side; ++p) {
    patches.emplace_back();
    for (std::size_t channel = 0; channel < c["num_channels"]; ++channel)
      for (std::size_t a = 0; a < patch; ++a)
        for (std::size_t b = 0; b < patch; ++b)
          patches[p].push_back(image[(channel * size + p / side * patch + a) * size + p % side * patch + b]);
  }
  Rows x = net.linear(patches, in + "patch_embeddings.projection");
  x.insert(x.begin(), net.row(in + "cls_token", 0));
  for (std::size_t t = 0; t < x.size(); ++t) x[t] = (Rows{x[t]} + Rows{net.row(in + "position_embeddings", t)})[0];
  for (std::size_t i = 0; i < c["num_hidden_layers"]; ++i) {
    const std::string layer = fmt::format("vit.encoder.layer.{}.", i), own = layer + "attention.attention.";
    const Rows y = net.layer_norm(x, layer + "layernorm_before", 1e-12);
    x = x + net.linear(attention(net.linear(y, own + "query"), net.linear(y, own + "key"), net.linear(y, own + "value"),
                                 c["num_attention_heads"], c["num_attention_heads"], false),
                       layer + "attention.output.dense");
    const Rows f = net.linear(net.layer_norm(x, layer + "layernorm_after", 1e-12), layer + "intermediate.dense");
    x = x + net.linear(each_number(f, gelu), layer + "output.dense");
  }
  return net.linear({net.layer_norm(x, "vit.layernorm", 1e-12)[0]}, "classifier");
}

/// One direction of a layer of an LSTM or GRU (by its rows: four or three gates), over rows of time.
inline Rows recurrent_forward(const Numbers& numbers, const std::string& end, const Rows& x, bool backwards) {
  const ReferenceNetwork net(numbers);
  Numbers of_input, of_state;
  for (const char* part : {".weight", ".bias"}) {
    of_input.emplace("w" + std::string(part), numbers.at("rnn" + std::string(part) + "_ih_" + end));
    of_state.emplace("w" + std::string(part), numbers.at("rnn" + std::string(part) + "_hh_" + end));
  }
  const Rows input = ReferenceNetwork(of_input).linear(x, "w");
  const std::size_t n = static_cast<std::size_t>(of_state.at("w.weight").shape()[1]), gates = input[0].size() / n;
  std::vector<double> h(n, 0), cell(n, 0);
  Rows out(x.size());
  for (std::size_t step = 0; step < x.size(); ++step) {
    const std::size_t t = backwards ? x.size() - 1 - step : step;
    const std::vector<double>&a = input[t], b = ReferenceNetwork(of_state).linear({h}, "w")[0];
    for (std::size_t k = 0; k < n; ++k) {
      const auto both = [&](std::size_t gate) { return a[gate * n + k] + b[gate * n + k]; };
      if (gates == 4) {
        cell[k] = sigmoid(both(1)) * cell[k] + sigmoid(both(0)) * std::tanh(both(2));
        h[k] = sigmoid(both(3)) * std::tanh(cell[k]);
      } else {
        const double fresh = std::tanh(a[2 * n + k] + sigmoid(both(0)) * b[2 * n + k]), z = sigmoid(both(1));
        h[k] = (1 - z) * fresh + z * h[k];
      }
    }
    out[t] = h;
  }
  return out;
}

/// Two directions in each layer, and a linear map of the last one's.
inline Rows recurrent_forward(const Numbers& numbers, Rows x, int layers) {
  for (int l = 0; l < layers; ++l) {
    const Rows a = recurrent_forward(numbers, fmt::format("l{}", l), x, false),
               b = recurrent_forward(numbers, fmt::format("l{}_reverse", l), x, true);
    x = a;
    for (std::size_t t = 0; t < x.size(); ++t) x[t].insert(x[t].end(), b[t].begin(), b[t].end());
  }
  return ReferenceNetwork(numbers).linear(x, "head");
}

}  // namespace weft::testing
