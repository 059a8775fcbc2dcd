#pragma once
// A small transformer classifier (spec 6.1) as a list of linear maps: which parts of which tensors each of them is, and
// how they lie in memory while a network is trained.

#include <vector>

#include "weft/core/tensor.h"
#include "weft/groups/space.h"

namespace weft {

/// Images in patches, or texts of word vectors; blocks of spec 1.2; mean over tokens; two dense layers.
struct TransformerArchitecture {
  TransformerShape shape{.D = 32, .D_A = 64, .h = 2, .Dk = 16, .Dv = 16, .blocks = 2};
  std::int64_t hidden = 32, classes = 10;
  std::int64_t patch = 4;  ///< side of a patch; 0: the items are texts
  std::int64_t channels = 1, image_rows = 28, image_columns = 28;
  std::int64_t crop = 2;     ///< training images are moved by up to so many pixels, what comes in is -1 (black)
  std::int64_t length = 64;  ///< of texts, in words
  /// 0: texts have `length` tokens; else those of the longest of so many neighbours (of a mini-batch).
  std::int64_t pad_batch = 0;
  bool residual = false;  ///< spec 1.4

  /// transformer_network_space.
  Space space() const;
  std::int64_t patch_values() const { return channels * patch * patch; }
  /// Of an item, at most.
  std::int64_t tokens() const;
  /// Of an image [channels, rows, columns], of a text [length, D].
  Shape item() const;
  /// What is added to the tokens: float32 [tokens, D], sines and cosines (Vaswani et al. 2017, section 3.5).
  Tensor positions() const;
};

/// rows x columns numbers of a tensor, which stand at (row, column) of a map.
struct MapPart {
  int tensor;
  std::int64_t offset, rows, columns, row_stride, column_stride;  ///< in the tensor
  std::int64_t row, column;
  float scale = 1;  ///< the map has scale times the tensor
};

/// y = x W + b, with W [in, out] padded with zeros.
struct LinearMap {
  std::int64_t in, out;  ///< padded to a multiple of channel_lanes
  std::vector<MapPart> parts;
  int bias = -1;  ///< its tensor
};

/// Queries (with the factor 1/sqrt(Dk)), keys and values of all heads are one map; head i has columns of its own.
struct TransformerMaps {
  std::vector<LinearMap> maps;
  int embedding = -1;  ///< none for texts
  struct Block {
    int qkv, o, a, b;
  };
  std::vector<Block> blocks;
  int first, second;  ///< dense layers

  explicit TransformerMaps(const TransformerArchitecture& architecture);
};

/// Channels as they lie in memory.
std::int64_t padded_channels(std::int64_t channels);

}  // namespace weft
