#pragma once
// A permutation as the order of its words, for devices: bodies of core/loop.h. Tiles are sorted by counting, and merged
// in pairs until one run is left. Light: nvcc reads it.

#include <cstdint>

#include "weft/core/random_bodies.h"

namespace weft {

/// Word i of the key (seed, purpose, counter; see core/random.h). Over [0, n).
struct PermutationWords {
  static constexpr const char* name = "permutation";
  std::uint64_t* words;
  std::uint64_t seed, purpose;
  const std::uint64_t* counter;
};

/// The numbers of each tile, tile t .. tile (t + 1) - 1, in the order of their words. Over [0, n).
struct SortTiles {
  static constexpr const char* name = "permutation";
  static constexpr std::int64_t tile = 256;
  const std::uint64_t* words;
  std::int32_t* order;
  std::int64_t n;
};

/// Every two neighbouring runs of `run` sorted numbers become one. Over [0, n).
struct MergeRuns {
  static constexpr const char* name = "permutation";
  const std::uint64_t* words;
  const std::int32_t* from;
  std::int32_t* to;
  std::int64_t n, run;
};

#define WEFT_PERMUTATION_LOOPS(X) \
  X(PermutationWords)             \
  X(SortTiles)                    \
  X(MergeRuns)

inline namespace WEFT_ISA {

WEFT_HD void loop_at(const PermutationWords& b, std::int64_t i) {
  const RandomStream stream = RandomStream{b.seed, b.purpose}.counted(b.counter);
  b.words[i] = permutation_word(stream, static_cast<std::uint64_t>(i));
}

/// Ties by index: no two numbers are equal, whatever their words.
WEFT_HD bool stands_before(const std::uint64_t* words, std::int64_t a, std::int64_t b) {
  return words[a] < words[b] || (words[a] == words[b] && a < b);
}

WEFT_HD void loop_at(const SortTiles& b, std::int64_t i) {
  const std::int64_t begin = i / SortTiles::tile * SortTiles::tile;
  const std::int64_t end = begin + SortTiles::tile < b.n ? begin + SortTiles::tile : b.n;
  std::int64_t place = begin;
  for (std::int64_t j = begin; j < end; ++j) place += stands_before(b.words, j, i);
  b.order[place] = static_cast<std::int32_t>(i);
}

/// A number moves on by as many as stand before it in the other run.
WEFT_HD void loop_at(const MergeRuns& b, std::int64_t i) {
  const std::int64_t begin = i / (2 * b.run) * (2 * b.run);
  const std::int64_t middle = begin + b.run < b.n ? begin + b.run : b.n;
  const std::int64_t end = middle + b.run < b.n ? middle + b.run : b.n;
  const bool left = i < middle;
  const std::int64_t other = left ? middle : begin;
  const std::int32_t number = b.from[i];
  std::int64_t low = other, high = left ? end : middle;
  while (low < high) {
    const std::int64_t half = low + (high - low) / 2;
    if (stands_before(b.words, b.from[half], number))
      low = half + 1;
    else
      high = half;
  }
  b.to[(left ? i : begin + i - middle) + low - other] = number;
}

}  // namespace WEFT_ISA
}  // namespace weft
