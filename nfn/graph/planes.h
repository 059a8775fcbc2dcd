#pragma once
// Planes of edges between two layers of nodes, and sums over their rows and columns: for bodies of core/loop.h.
// Numbers of edges are [channels, networks, rows, columns]: an edge leads from a node of `columns` to one of `rows`.
// Light: nvcc reads it.

#include <cstdint>

#include "weft/core/hd.h"
#include "weft/core/team.h"

namespace weft::graph {

/// Networks [first, first + networks) of a batch. Arrays of a piece have these networks alone, others the whole batch.
struct Piece {
  std::int64_t first, networks, batch, rows, columns;
};

/// What the ends of an edge add to its product: norms (of_columns + of_rows).
template <class T>
struct Ends {
  const T *of_columns, *of_rows;  ///< [e, batch, columns], [e, batch, rows]
  const T* norms;                 ///< [batch, rows, columns], or null: 1
};

template <class T>
struct EndGradients {
  T *of_columns, *of_rows;  ///< null where they are not wanted
  bool adds_to_columns, adds_to_rows;
};

inline namespace WEFT_ISA {

/// Every node counts the same.
template <class T>
struct Ones {
  WEFT_HD T operator[](std::int64_t) const { return T(1); }
};

/// What the ends add on one plane: scaled: by norms.
template <class T, bool scaled>
struct Added {
  const T *u, *v, *n;
  std::int64_t columns;
  WEFT_HD T norm(std::int64_t i, std::int64_t j) const {
    if constexpr (scaled)
      return n[i * columns + j];
    else
      return T(1);
  }
  WEFT_HD T operator()(std::int64_t i, std::int64_t j) const {
    const T sum = u[j] + v[i];
    if constexpr (scaled)
      return n[i * columns + j] * sum;
    else
      return sum;
  }
};

/// Plane `at` of a piece.
struct Plane {
  std::int64_t channel, network, numbers;
  WEFT_HD Plane(const Piece& z, std::int64_t at)
      : channel(at / z.networks), network(z.first + at % z.networks), numbers(z.rows * z.columns) {}
  WEFT_HD std::int64_t of_nodes(const Piece& z, std::int64_t nodes) const {
    return (channel * z.batch + network) * nodes;
  }
  template <bool scaled, class T>
  WEFT_HD Added<T, scaled> added(const Piece& z, const Ends<T>& ends) const {
    return {ends.of_columns + of_nodes(z, z.columns), ends.of_rows + of_nodes(z, z.rows),
            scaled ? ends.norms + network * numbers : nullptr, z.columns};
  }
};

/// store(j, Σ_i f(i, j)) for every column.
template <class T, class Team, class F, class Store>
WEFT_HD void column_sums(const Team& team, std::int64_t rows, std::int64_t columns, const F& f, const Store& store) {
  team.each(columns, [=](std::int64_t j) { store(j, pairwise_sum<T>(rows, [=](std::int64_t i) { return f(i, j); })); });
}
/// One thread adds several columns side by side.
template <class T, class F, class Store>
inline void column_sums(const SerialTeam&, std::int64_t rows, std::int64_t columns, const F& f, const Store& store) {
  constexpr std::int64_t width = SerialTeam::lanes;
  for (std::int64_t first = 0; first < columns; first += width) {
    const std::int64_t count = columns - first < width ? columns - first : width;
    const auto sum = pairwise_sum<SideBySide<T, width>>(rows, [=](std::int64_t i) {
      SideBySide<T, width> at{};
      if (count == width) {
#pragma omp simd
        for (std::int64_t k = 0; k < width; ++k) at.x[k] = f(i, first + k);
      } else {
        for (std::int64_t k = 0; k < count; ++k) at.x[k] = f(i, first + k);
      }
      return at;
    });
    for (std::int64_t k = 0; k < count; ++k) store(first + k, sum.x[k]);
  }
}

/// store(i, Σ_j f(i, j)) for every row.
template <class T, class Team, class F, class Store>
WEFT_HD void row_sums(const Team& team, std::int64_t rows, std::int64_t columns, const F& f, const Store& store) {
  for (std::int64_t i = 0; i < rows; ++i) {
    const T sum = team.template sum<T>(columns, [=](std::int64_t j) { return f(i, j); });
    team.each(1, [=](std::int64_t) { store(i, sum); });
  }
}

}  // namespace WEFT_ISA
}  // namespace weft::graph
