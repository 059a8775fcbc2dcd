#pragma once
// Memory of one call of TransformerPopulation, from the arena. Rows are the tokens of a group of items, one item after
// the other; what a row has beyond its channels is zero.

#include "weft/networks/cnn/cnn_kernels.h"
#include "weft/networks/population/dropout_bytes.h"
#include "weft/networks/population/product_kernels.h"
#include "weft/networks/transformer/transformer_kernels.h"
#include "weft/networks/transformer/transformer_population.h"

namespace weft {

struct TransformerPopulation::Scratch {
  struct Map {
    float *w, *bias;        ///< [in, out], [out]
    float *back, *gw, *gb;  ///< training: [out, in], gradients
  };
  struct Block {
    float *x, *x_scales;  ///< behind the layer norm before attention
    float *qkv, *scores;  ///< scores: [items, heads, keys, queries padded], behind the softmax
    float* heads;         ///< outputs of the heads beside each other
    float *y, *y_scales;  ///< behind the layer norm before the MLP
    float* hidden;
  };

  const TransformerKernels& kernels;
  const ProductKernels& products;
  const CnnKernels& common;
  std::int64_t tokens, queries;  ///< of an item; queries: padded
  std::int64_t group;            ///< items that go through the network together: their values fit into the cache
  std::span<Map> maps;
  std::span<Block> blocks;
  std::span<std::uint32_t*> words;  ///< of dropout, one byte per value, by site
  float *patches, *x, *attended, *last, *last_scales, *pooled, *dense, *logits;
  float* turned;  ///< queries or cotangents of one head, [channels, queries]
  // Cotangents.
  float *gx, *branch, *narrow, *ghidden, *gqkv, *gheads, *gscores, *gpooled, *gdense;
};

/// A group of items on its way.
struct TransformerPopulation::Step {
  const Scratch& s;
  const MiniBatch& batch;
  const Dropout& dropout;
  std::int64_t first, count;
  bool training;
};

}  // namespace weft
