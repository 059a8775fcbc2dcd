#pragma once
// The global terms of E and I on a device (spec 3.3): y = x Φ, whose phis are almost all parameters. They are read
// where they lie, once a pass, and their gradients written once; the batch is held in registers. Sums over what a team
// does not see are parts, added in a fixed order. Light: nvcc reads it.

#include "weft/core/math.h"
#include "weft/core/quotient.h"
#include "weft/nfn/transformer/block.h"

namespace weft::transformer {

/// The rows of y, group after group: `flat` groups of one row for each e, then `columns` of one for each (e, k). x is
/// [batch, d, vector()]: the pieces of GlobalVector, channel by channel.
struct GlobalRows {
  static constexpr int most_groups = 4, phis = GlobalVector::pieces + 1;  ///< the last phi is the constant
  static constexpr int tile = 8;                                          ///< rows of a group that a team holds

  Sizes z;
  int flat, columns;

  WEFT_HD std::int64_t vector() const { return GlobalVector::before(GlobalVector::pieces, z.D); }
  WEFT_HD int groups() const { return flat + columns; }
  /// Rows of one e.
  WEFT_HD std::int64_t rows_of(int group) const { return group < flat ? 1 : z.D; }
  WEFT_HD std::int64_t first(int group) const {
    return group < flat ? group * z.e : (flat + (group - flat) * z.D) * z.e;
  }
  WEFT_HD std::int64_t rows() const { return first(groups()); }
  WEFT_HD std::int64_t tiles_of(int group) const { return (z.e * rows_of(group) + tile - 1) / tile; }
  WEFT_HD std::int64_t tiles() const { return flat * tiles_of(0) + columns * tiles_of(flat); }
};

template <class T>
struct GlobalPhis {
  T* at[GlobalRows::most_groups][GlobalRows::phis];
};

/// A team for each (stretch of a channel's vector, channel, tile of rows, 16 bytes of networks): its part of y. Sums
/// of doubles take two registers each.
template <class T>
struct GlobalParts {
  static constexpr const char* name = "transformer global terms";
  static constexpr int lanes = 32, nets = 16 / sizeof(T), held = GlobalRows::tile * nets;
  std::int64_t scratch_bytes() const { return lanes * (held + 1) * std::int64_t{sizeof(T)}; }
  GlobalRows rows;
  GlobalPhis<const T> phi;
  const T* x;
  T* parts;  ///< [stretches, d, batch, rows]
  std::int64_t stretch;
};

/// Every number of y: the constant, and the parts in their order.
template <class T>
struct GlobalSums {
  static constexpr const char* name = "transformer global sums";
  GlobalRows rows;
  GlobalPhis<const T> phi;
  const T* parts;
  T* y;  ///< [batch, rows]
  std::int64_t count;
};

/// A team for each (channel, block of a piece of its vector or the constant, tile of rows): the gradients of the phis,
/// whole.
template <class T>
struct GlobalPhiGradients {
  static constexpr const char* name = "transformer global gradients";
  static constexpr int lanes = 32, held = 16 / sizeof(T);
  std::int64_t scratch_bytes() const { return 0; }
  GlobalRows rows;
  GlobalPhis<T> to;    ///< null where not wanted
  std::uint32_t beta;  ///< bit 8 group + phi: to is added to
  const T *x, *gy;
};

/// A team for each (stretch of e, channel, block of a piece of its vector, 32 bytes of networks): its part of the
/// cotangent of x.
template <class T>
struct GlobalVectorVjp {
  static constexpr const char* name = "transformer global vectors";
  static constexpr int lanes = 32, held = 16 / sizeof(T), nets = 32 / sizeof(T);
  std::int64_t scratch_bytes() const { return 0; }
  GlobalRows rows;
  GlobalPhis<const T> phi;
  const T* gy;
  T* parts;  ///< [stretches, batch, d, vector]
  std::int64_t stretch;
};

/// Every number of the cotangent of x, from its parts in their order; then of the cotangent of [VO], [batch, d, D + 1,
/// D] with D rows of it: that of Σ_q [VO]_pq in all of row p, added to what the axis-wise terms gave, if there are any.
template <class T>
struct GlobalCotangents {
  static constexpr const char* name = "transformer cotangents";
  GlobalRows rows;
  const T* parts;
  std::int64_t count;
  T *x, *VO;
  bool add;
};

#define WEFT_TRANSFORMER_GLOBAL_LOOPS(X) \
  X(transformer::GlobalSums<float>)      \
  X(transformer::GlobalSums<double>)     \
  X(transformer::GlobalCotangents<float>) X(transformer::GlobalCotangents<double>)
#define WEFT_TRANSFORMER_GLOBAL_TEAM_LOOPS(X) \
  X(transformer::GlobalParts<float>)          \
  X(transformer::GlobalParts<double>)         \
  X(transformer::GlobalPhiGradients<float>)   \
  X(transformer::GlobalPhiGradients<double>)  \
  X(transformer::GlobalVectorVjp<float>)      \
  X(transformer::GlobalVectorVjp<double>)

inline namespace WEFT_ISA {

/// Number i of a channel's vector: number `at` of a piece of `size` numbers.
struct InPiece {
  int piece = 0;
  std::int64_t at, size;
  WEFT_HD InPiece(std::int64_t D, std::int64_t i) : at(i), size(D * D) {
    while (at >= size) {
      at -= size;
      size = GlobalVector::size_of(++piece, D);
    }
  }
};

/// Numbers [begin, begin + width) of a piece, block after block of a channel's vector and the constant, which reads 1;
/// the piece is its vector's numbers from `first`.
struct PieceBlock {
  int piece = 0;
  std::int64_t begin, size, first = 0;
  WEFT_HD PieceBlock(std::int64_t D, std::int64_t width, std::int64_t block) : begin(block * width), size(D * D) {
    while (begin >= size) {
      begin -= (size + width - 1) / width * width;
      first += size;
      size = GlobalVector::size_of(++piece, D);
    }
  }
};
WEFT_HD std::int64_t piece_blocks(std::int64_t D, std::int64_t width, int pieces) {
  std::int64_t n = 0;
  for (int piece = 0; piece < pieces; ++piece) n += (GlobalVector::size_of(piece, D) + width - 1) / width;
  return n;
}

/// Tile `at` of the rows: rows [row, row + tile) of its group.
struct RowTile {
  int group = 0;
  std::int64_t row, end;
  WEFT_HD RowTile(const GlobalRows& g, std::int64_t at) {
    while (at >= g.tiles_of(group)) at -= g.tiles_of(group++);
    row = at * g.tile;
    end = g.z.e * g.rows_of(group);
  }
};
/// Where row (e, k) of a group stands in the phis of channel c, in sizes of the piece: phis are [e, d, k, piece].
WEFT_HD std::int64_t phi_row(const GlobalRows& g, int group, std::int64_t row, std::int64_t c) {
  const std::int64_t K = g.rows_of(group), e = quotient(row, K);
  return (e * g.z.d + c) * K + row - e * K;
}

template <class T, class Team>
WEFT_HD void loop_row(const GlobalParts<T>& s, const Team& team, std::int64_t at, void* scratch) {
  constexpr int tile = GlobalRows::tile, nets = GlobalParts<T>::nets, lanes = GlobalParts<T>::lanes,
                held = GlobalParts<T>::held;
  const GlobalRows& g = s.rows;
  const std::int64_t batch = g.z.batch, d = g.z.d, size = g.vector(), groups = (batch + nets - 1) / nets;
  std::int64_t rest = quotient(at, groups);
  const std::int64_t net = (at - rest * groups) * nets, place = quotient(rest, g.tiles());
  const RowTile own(g, rest - place * g.tiles());
  const std::int64_t stretch = quotient(place, d), c = place - stretch * d, begin = stretch * s.stretch,
                     end = size < begin + s.stretch ? size : begin + s.stretch;
  T* sums = static_cast<T*>(scratch);
  team.each(lanes, [&](std::int64_t lane) {
    std::int64_t phi[tile], x[nets];
    for (int i = 0; i < tile; ++i) phi[i] = phi_row(g, own.group, own.row + i < own.end ? own.row + i : own.end - 1, c);
    for (int j = 0; j < nets; ++j) x[j] = ((net + j < batch ? net + j : batch - 1) * d + c) * size;
    T sum[tile][nets] = {};
    for (std::int64_t i = begin + lane; i < end; i += lanes) {
      const InPiece in(g.z.D, i);
      const T* w = s.phi.at[own.group][in.piece] + in.at;
      T right[nets];
      for (int j = 0; j < nets; ++j) right[j] = s.x[x[j] + i];
      for (int r = 0; r < tile; ++r) {
        const T left = w[phi[r] * in.size];
        for (int j = 0; j < nets; ++j) sum[r][j] = math::fma(left, right[j], sum[r][j]);
      }
    }
    for (int r = 0; r < tile; ++r)
      for (int j = 0; j < nets; ++j) sums[lane * (held + 1) + r * nets + j] = sum[r][j];
  });
  team.each(held, [&](std::int64_t o) {
    const std::int64_t r = own.row + o / nets, b = net + o % nets;
    if (r >= own.end || b >= batch) return;
    s.parts[(place * batch + b) * g.rows() + g.first(own.group) + r] =
        pairwise_sum<T>(lanes, [&](std::int64_t lane) { return sums[lane * (held + 1) + o]; });
  });
}

template <class T>
WEFT_HD void loop_at(const GlobalSums<T>& s, std::int64_t at) {
  const GlobalRows& g = s.rows;
  const std::int64_t all = g.rows(), row = at - quotient(at, all) * all;
  int group = 0;
  while (group + 1 < g.groups() && row >= g.first(group + 1)) ++group;
  const T constant = s.phi.at[group][GlobalVector::pieces][row - g.first(group)];
  s.y[at] =
      constant + pairwise_sum<T>(s.count, [&](std::int64_t part) { return s.parts[part * g.z.batch * all + at]; });
}

template <class T, class Team>
WEFT_HD void loop_row(const GlobalPhiGradients<T>& s, const Team& team, std::int64_t at, void*) {
  using Self = GlobalPhiGradients<T>;
  constexpr int tile = GlobalRows::tile, held = Self::held, lanes = Self::lanes;
  const GlobalRows& g = s.rows;
  const std::int64_t d = g.z.d, size = g.vector(), all = g.rows(), place = quotient(at, g.tiles()),
                     blocks = piece_blocks(g.z.D, lanes * held, g.phis), c = quotient(place, blocks);
  const PieceBlock block(g.z.D, lanes * held, place - c * blocks);
  const RowTile own(g, at - place * g.tiles());
  const bool constant = block.piece == GlobalVector::pieces;
  T* to = s.to.at[own.group][block.piece];
  if (!to || (constant && c > 0)) return;
  const bool add = (s.beta >> (8 * own.group + block.piece) & 1u) != 0;
  team.each(lanes, [&](std::int64_t lane) {
    const std::int64_t first = block.begin + lane;
    T sum[tile][held] = {};
    for (std::int64_t b = 0; b < g.z.batch; ++b) {
      T left[tile], right[held];
      const T *gy = s.gy + b * all + g.first(own.group), *x = s.x + (b * d + c) * size + block.first + first;
      for (int j = 0; j < held; ++j) right[j] = constant ? T(1) : first + j * lanes < block.size ? x[j * lanes] : T(0);
      for (int r = 0; r < tile; ++r) left[r] = gy[own.row + r < own.end ? own.row + r : own.end - 1];
      for (int r = 0; r < tile; ++r)
        for (int j = 0; j < held; ++j) sum[r][j] = math::fma(left[r], right[j], sum[r][j]);
    }
    for (int r = 0; r < tile && own.row + r < own.end; ++r) {
      const std::int64_t row = constant ? own.row + r : phi_row(g, own.group, own.row + r, c);
      T* y = to + row * block.size + first;
      for (int j = 0; j < held; ++j)
        if (first + j * lanes < block.size) y[j * lanes] = add ? y[j * lanes] + sum[r][j] : sum[r][j];
    }
  });
}

template <class T, class Team>
WEFT_HD void loop_row(const GlobalVectorVjp<T>& s, const Team& team, std::int64_t at, void*) {
  using Self = GlobalVectorVjp<T>;
  constexpr int held = Self::held, nets = Self::nets, lanes = Self::lanes;
  const GlobalRows& g = s.rows;
  const std::int64_t batch = g.z.batch, d = g.z.d, size = g.vector(), all = g.rows(),
                     groups = (batch + nets - 1) / nets,
                     blocks = piece_blocks(g.z.D, lanes * held, GlobalVector::pieces);
  const std::int64_t rest = quotient(at, groups), net = (at - rest * groups) * nets, place = quotient(rest, blocks),
                     part = quotient(place, d), c = place - part * d, e0 = part * s.stretch,
                     e1 = g.z.e < e0 + s.stretch ? g.z.e : e0 + s.stretch;
  const PieceBlock block(g.z.D, lanes * held, rest - place * blocks);
  team.each(lanes, [&](std::int64_t lane) {
    const std::int64_t first = block.begin + lane;
    T sum[nets][held] = {};
    for (int group = 0; group < g.groups(); ++group) {
      const std::int64_t K = g.rows_of(group);
      const T* gy = s.gy + net * all + g.first(group) + e0 * K;
      for (std::int64_t e = e0; e < e1; ++e) {
        const T* phi = s.phi.at[group][block.piece] + (e * d + c) * K * block.size + first;
        for (std::int64_t k = 0; k < K; ++k, ++gy, phi += block.size) {
          T left[nets];
          for (int b = 0; b < nets; ++b) left[b] = net + b < batch ? gy[b * all] : T(0);
          for (int j = 0; j < held; ++j) {
            const T right = first + j * lanes < block.size ? phi[j * lanes] : T(0);
            for (int b = 0; b < nets; ++b) sum[b][j] = math::fma(left[b], right, sum[b][j]);
          }
        }
      }
    }
    for (int b = 0; b < nets && net + b < batch; ++b) {
      T* to = s.parts + ((part * batch + net + b) * d + c) * size + block.first + first;
      for (int j = 0; j < held; ++j)
        if (first + j * lanes < block.size) to[j * lanes] = sum[b][j];
    }
  });
}

template <class T>
WEFT_HD void loop_at(const GlobalCotangents<T>& s, std::int64_t at) {
  const GlobalRows& g = s.rows;
  const std::int64_t D = g.z.D, size = g.vector(), all = g.z.batch * g.z.d * size;
  const bool of_x = at < all;
  std::int64_t from = at, to = at;
  if (!of_x) {
    const std::int64_t row = quotient(at - all, D), channel = quotient(row, D);
    from = channel * size + D * D + row - channel * D;
    to = at - all + channel * D;
  }
  const T sum = pairwise_sum<T>(s.count, [&](std::int64_t part) { return s.parts[part * all + from]; });
  (of_x ? s.x : s.VO)[to] = !of_x && s.add ? s.VO[to] + sum : sum;
}

}  // namespace WEFT_ISA
}  // namespace weft::transformer
