#pragma once
// Attention of many small networks on a device, one thread for a query or a key of one head: neighbours read the same
// keys at the same time, so that the cache serves a whole warp at once, and no score is ever written. The gradients
// make the scores again, once from the queries' side and once from the keys'. nvcc reads it.

#include "weft/networks/transformer/transformer_bodies.h"

namespace weft {

/// Queries, keys and values of all heads beside each other, head_channels (keys, values) padded to whole `chunk`s:
/// [networks, batch, tokens, heads (2 keys + values)].
struct HeadRows {
  static constexpr int chunk = 16;
  TokenRows rows;
  std::int64_t heads, keys, values;
  float scale;  ///< of the scores
  const float* qkv;
  float* outputs;  ///< [networks, batch, tokens, heads values]
  float* stats;    ///< [networks, batch, heads, tokens, 4]: largest score, 1 / sum of exp, Σ gradient output, nothing
};

/// outputs = softmax(scale q k') v, and stats.
struct AttendQueries {
  static constexpr const char* name = "attend_queries";
  HeadRows h;
};

/// The gradient of the queries, and the third of stats.
struct AttendQueriesVjp {
  static constexpr const char* name = "attend_queries_vjp";
  static constexpr int registers = 128;
  HeadRows h;
  const float* g;  ///< of the outputs
  float* gqkv;
};

/// The gradients of the keys and values; after that of the queries.
struct AttendKeysVjp {
  static constexpr const char* name = "attend_keys_vjp";
  static constexpr int registers = 128;
  HeadRows h;
  const float* g;
  float* gqkv;
};

#define WEFT_ATTENTION_LOOPS(X) X(AttendQueries) X(AttendQueriesVjp) X(AttendKeysVjp)

inline namespace WEFT_ISA {

/// Sixteen channels in registers.
struct Chunk {
  Four four[HeadRows::chunk / 4];
};

WEFT_HD Chunk load_chunk(const float* p) {
  Chunk c;
  for (int q = 0; q < HeadRows::chunk / 4; ++q) c.four[q] = load_four(p + 4 * q);
  return c;
}
WEFT_HD void store_chunk(float* p, const Chunk& c, float scale) {
  for (int q = 0; q < HeadRows::chunk / 4; ++q) {
    Four four = c.four[q];
    for (int j = 0; j < 4; ++j) four.x[j] *= scale;
    store_four(p + 4 * q, four);
  }
}
/// c += a p[0 .. 16)
WEFT_HD void add_chunk(Chunk& c, float a, const float* p) {
  for (int q = 0; q < HeadRows::chunk / 4; ++q) {
    const Four v = load_four(p + 4 * q);
    for (int j = 0; j < 4; ++j) c.four[q].x[j] = math::fma(a, v.x[j], c.four[q].x[j]);
  }
}
/// x · y over `size` channels, of which the first of x are in `c`.
WEFT_HD float dot(const Chunk& c, const float* x, const float* y, std::int64_t size) {
  float sum = 0;
  for (int q = 0; q < HeadRows::chunk / 4; ++q) {
    const Four v = load_four(y + 4 * q);
    for (int j = 0; j < 4; ++j) sum = math::fma(c.four[q].x[j], v.x[j], sum);
  }
#if defined(__CUDA_ARCH__)
#pragma unroll 1  // heads of more than a chunk are rare, and registers are not many
#endif
  for (std::int64_t k = HeadRows::chunk; k < size; ++k) sum = math::fma(x[k], y[k], sum);
  return sum;
}

/// Where thread i of [networks, batch, heads, chunks, tokens] works; offsets of token 0.
struct HeadPlace {
  std::int64_t token, length, at;  ///< at: of its chunk in a head
  std::int64_t q, k, v, qkv_stride, o, o_stride, stats;
};
WEFT_HD HeadPlace head_place(const HeadRows& h, std::int64_t i, std::int64_t channels) {
  auto rest = static_cast<std::uint32_t>(i);
  HeadPlace p;
  p.token = take(rest, h.rows.tokens);
  p.at = HeadRows::chunk * take(rest, channels / HeadRows::chunk);
  const std::int64_t head = take(rest, h.heads), item = rest;
  take(rest, h.rows.batches.batch);
  p.length = length_of(h.rows.batches, rest, h.rows.tokens);
  p.qkv_stride = h.heads * (2 * h.keys + h.values);
  p.o_stride = h.heads * h.values;
  p.q = item * h.rows.tokens * p.qkv_stride + head * h.keys;
  p.k = p.q + h.heads * h.keys;
  p.v = item * h.rows.tokens * p.qkv_stride + 2 * h.heads * h.keys + head * h.values;
  p.o = item * h.rows.tokens * p.o_stride + head * h.values;
  p.stats = (item * h.heads + head) * h.rows.tokens * 4;
  return p;
}

WEFT_HD void loop_at(const AttendQueries& a, std::int64_t i) {
  const HeadRows& h = a.h;
  const HeadPlace p = head_place(h, i, h.values);
  float* output = h.outputs + p.o + p.token * p.o_stride + p.at;
  Chunk sum{};
  if (p.token >= p.length) return store_chunk(output, sum, 0);
  const float* q = h.qkv + p.q + p.token * p.qkv_stride;
  const Chunk query = load_chunk(q);
  const float *k = h.qkv + p.k, *v = h.qkv + p.v + p.at;
  float largest = h.scale * dot(query, q, k, h.keys), weight = 0;
  for (std::int64_t left = p.length; left > 0; --left, k += p.qkv_stride, v += p.qkv_stride) {
    const float score = h.scale * dot(query, q, k, h.keys);
    if (score > largest) {  // what was added so far is too large
      const float less = math::exp(largest - score);
      weight *= less;
      for (int j = 0; j < HeadRows::chunk; ++j) sum.four[j / 4].x[j % 4] *= less;
      largest = score;
    }
    const float e = math::exp(score - largest);
    weight += e;
    add_chunk(sum, e, v);
  }
  store_chunk(output, sum, 1.f / weight);
  if (p.at == 0) store_four(h.stats + p.stats + 4 * p.token, {{largest, 1.f / weight, 0, 0}});
}

WEFT_HD void loop_at(const AttendQueriesVjp& a, std::int64_t i) {
  const HeadRows& h = a.h;
  const HeadPlace p = head_place(h, i, h.keys);
  float* to = a.gqkv + p.q + p.token * p.qkv_stride + p.at;
  Chunk sum{};
  if (p.token >= p.length) return store_chunk(to, sum, 0);
  const std::int64_t out = p.o + p.token * p.o_stride;
  const float *q = h.qkv + p.q + p.token * p.qkv_stride, *g = a.g + out;
  const Chunk query = load_chunk(q), gradient = load_chunk(g);
  float* stats = h.stats + p.stats + 4 * p.token;
  const float largest = stats[0], weight = stats[1];
  const float along = dot(gradient, g, h.outputs + out, h.values);
  for (std::int64_t t = 0; t < p.length; ++t) {
    const float* k = h.qkv + p.k + t * p.qkv_stride;
    const float score = h.scale * dot(query, q, k, h.keys);
    const float share = weight * math::exp(score - largest);
    const float by_share = dot(gradient, g, h.qkv + p.v + t * p.qkv_stride, h.values);
    add_chunk(sum, share * (by_share - along), k + p.at);
  }
  store_chunk(to, sum, h.scale);
  if (p.at == 0) stats[2] = along;
}

WEFT_HD void loop_at(const AttendKeysVjp& a, std::int64_t i) {
  const HeadRows& h = a.h;
  const HeadPlace p = head_place(h, i, h.keys > h.values ? h.keys : h.values);
  const bool of_keys = p.at < h.keys, of_values = p.at < h.values;
  float *to_k = a.gqkv + p.k + p.token * p.qkv_stride + p.at, *to_v = a.gqkv + p.v + p.token * p.qkv_stride + p.at;
  const float *k = h.qkv + p.k + p.token * p.qkv_stride, *v = h.qkv + p.v + p.token * p.qkv_stride;
  const Chunk key = load_chunk(k), value = load_chunk(v);
  Chunk sum_k{}, sum_v{};
  for (std::int64_t t = 0; t < p.length && p.token < p.length; ++t) {
    const float *q = h.qkv + p.q + t * p.qkv_stride, *g = a.g + p.o + t * p.o_stride;
    const Four s = load_four(h.stats + p.stats + 4 * t);
    const float share = s.x[1] * math::exp(h.scale * dot(key, k, q, h.keys) - s.x[0]);
    const float by_share = dot(value, v, g, h.values);
    if (of_keys) add_chunk(sum_k, share * (by_share - s.x[2]), q + p.at);
    if (of_values) add_chunk(sum_v, share, g + p.at);
  }
  if (of_keys) store_chunk(to_k, sum_k, h.scale);
  if (of_values) store_chunk(to_v, sum_v, 1);
}

}  // namespace WEFT_ISA
}  // namespace weft
