#pragma once
// Learned tensors of E and I on a device: packed into the matrices that the products take, and their gradients back.
// Light: nvcc reads it.

#include <cstdint>

#include "weft/core/hd.h"
#include "weft/core/pairwise.h"

namespace weft::magep {

/// A dense tensor and where its numbers [a, b, c, d] stand elsewhere.
template <class T>
struct Piece {
  T *dense, *packed;
  int size[4], stride[4];
  int rows;     ///< size[0] of all pieces before
  bool summed;  ///< packed is the first of several parts
  T beta;       ///< dense = beta dense + packed
};

/// A team for each (piece, a): packed from dense.
template <class T>
struct Pack {
  static constexpr const char* name = "magep pack";
  static constexpr int lanes = 32;
  std::int64_t scratch_bytes() const { return 0; }
  const Piece<T>* piece;
  int count;
};

/// A team for each (piece, a): dense from packed, summed part after part.
template <class T>
struct Unpack {
  static constexpr const char* name = "magep unpack";
  static constexpr int lanes = 32;
  std::int64_t scratch_bytes() const { return 0; }
  const Piece<T>* piece;
  int count;
  std::int64_t parts, part_stride;
};

/// Every number of every sum over 32 parts, the last one's over what is left.
template <class T>
struct SumParts {
  static constexpr const char* name = "magep sums";
  static constexpr std::int64_t block = 32;
  const T* from;
  T* to;
  std::int64_t parts, size;
};

#define WEFT_PIECE_LOOPS(X) X(magep::SumParts<float>) X(magep::SumParts<double>)
#define WEFT_PIECE_TEAM_LOOPS(X) \
  X(magep::Pack<float>) X(magep::Pack<double>) X(magep::Unpack<float>) X(magep::Unpack<double>)

inline namespace WEFT_ISA {

/// f(number of the dense row, place of it in the packed one) for all numbers of row `at` of all pieces.
template <class T, class Team, class F>
WEFT_HD void each_of_piece(const Piece<T>* pieces, int count, const Team& team, std::int64_t at, const F& f) {
  int k = 0;
  while (k + 1 < count && at >= pieces[k + 1].rows) ++k;
  const Piece<T>* own = pieces + k;
  const Piece<T>& p = *own;
  const int b = p.size[1], c = p.size[2], d = p.size[3], of_b = p.stride[1], of_c = p.stride[2], of_d = p.stride[3];
  const std::int64_t row = at - p.rows, numbers = std::int64_t{b} * c * d, first = row * numbers;
  const std::int64_t place = row * p.stride[0];
  team.each(numbers, [=](std::int64_t o) {
    const auto i = static_cast<unsigned>(o);
    const unsigned in_d = i / static_cast<unsigned>(d), in_c = in_d / static_cast<unsigned>(c);
    f(*own, first + o,
      place + std::int64_t{in_c} * of_b + std::int64_t{in_d - in_c * static_cast<unsigned>(c)} * of_c +
          std::int64_t{i - in_d * static_cast<unsigned>(d)} * of_d);
  });
}

template <class T, class Team>
WEFT_HD void loop_row(const Pack<T>& s, const Team& team, std::int64_t at, void*) {
  each_of_piece(s.piece, s.count, team, at,
                [](const Piece<T>& p, std::int64_t dense, std::int64_t packed) { p.packed[packed] = p.dense[dense]; });
}

template <class T, class Team>
WEFT_HD void loop_row(const Unpack<T>& s, const Team& team, std::int64_t at, void*) {
  const std::int64_t parts = s.parts, step = s.part_stride;
  each_of_piece(s.piece, s.count, team, at, [=](const Piece<T>& p, std::int64_t dense, std::int64_t packed) {
    const T sum =
        pairwise_sum<T>(p.summed ? parts : 1, [=](std::int64_t part) { return p.packed[packed + part * step]; });
    T& to = p.dense[dense];
    to = p.beta == T(0) ? sum : to + sum;
  });
}

template <class T>
WEFT_HD void loop_at(const SumParts<T>& s, std::int64_t at) {
  const std::int64_t block = at / s.size, i = at - block * s.size, first = block * s.block;
  const std::int64_t count = s.parts - first < s.block ? s.parts - first : s.block;
  s.to[at] = pairwise_sum<T>(count, [=](std::int64_t part) { return s.from[(first + part) * s.size + i]; });
}

}  // namespace WEFT_ISA
}  // namespace weft::magep
