#pragma once
// What is done to planes of edges beside matrix products: bodies of core/loop.h, which nfn/graph/graph_kernels.cpp
// compiles once per instruction set for the CPU. Light: nvcc reads it.

#include "weft/nfn/graph/planes.h"
#include "weft/ops/pointwise/relu.h"

namespace weft::graph {

/// For each plane of a piece: the mean of weight r over what `to_rows` says, r = relu(product + ends).
template <class T>
struct Messages {
  static constexpr const char* name = "graph messages";
  static constexpr int lanes = 32;
  std::int64_t scratch_bytes() const { return 0; }
  Piece z;
  Ends<T> ends;
  const T* product;  ///< [e, networks, rows, columns]
  const T* weight;   ///< of the nodes that send: [batch, columns], or [batch, rows] unless to_rows; null: 1
  bool to_rows;
  T* y;  ///< [e, batch, rows], or [e, batch, columns] unless to_rows
};

/// Its vjp: the product becomes its own cotangent.
template <class T>
struct MessagesVjp {
  static constexpr const char* name = "graph messages";
  static constexpr int lanes = 32;
  std::int64_t scratch_bytes() const { return 0; }
  Piece z;
  Ends<T> ends;
  T* product;
  const T* weight;
  bool to_rows;
  const T* gy;
  EndGradients<T> to;
  T* weight_parts;  ///< [e, batch, …]: what every channel gives of the weights' gradient; null: not wanted
};

/// The product becomes r.
template <class T>
struct Hidden {
  static constexpr const char* name = "graph hidden";
  static constexpr int lanes = 32;
  std::int64_t scratch_bytes() const { return 0; }
  Piece z;
  Ends<T> ends;
  T* product;
};

/// The cotangent of r becomes that of the product.
template <class T>
struct HiddenVjp {
  static constexpr const char* name = "graph hidden";
  static constexpr int lanes = 32;
  std::int64_t scratch_bytes() const { return 0; }
  Piece z;
  Ends<T> ends;
  const T* r;
  T* g;
  EndGradients<T> to;
};

/// y = x + norms shift: over the planes of the batch.
template <class T>
struct Shifted {
  static constexpr const char* name = "graph shift";
  static constexpr int lanes = 32;
  std::int64_t scratch_bytes() const { return 0; }
  std::int64_t batch, plane;
  const T *x, *norms, *shift;
  T* y;
};

/// y = x, or y += x: over planes.
template <class T>
struct AddPlanes {
  static constexpr const char* name = "graph add";
  static constexpr int lanes = 32;
  std::int64_t scratch_bytes() const { return 0; }
  std::int64_t plane;
  const T* x;
  T* y;
  bool accumulate;
};

/// The gradient of the norms, over (network of a piece, row): Σ_e g (of_columns + of_rows), and Σ_d gy shift.
template <class T>
struct NormGradient {
  static constexpr const char* name = "graph norms";
  static constexpr int lanes = 32;
  std::int64_t scratch_bytes() const { return 0; }
  Piece z;
  Ends<T> ends;
  std::int64_t e, d;
  const T* g;           ///< of the product, of the piece
  const T *gy, *shift;  ///< of the batch; null: without
  T* to;
  bool accumulate;
};

#define WEFT_GRAPH_EDGE_BODIES(X, T) \
  X(graph::Messages<T>)              \
  X(graph::MessagesVjp<T>)           \
  X(graph::Hidden<T>)                \
  X(graph::HiddenVjp<T>)             \
  X(graph::Shifted<T>)               \
  X(graph::AddPlanes<T>)             \
  X(graph::NormGradient<T>)
#define WEFT_GRAPH_EDGE_TEAM_LOOPS(X) \
  WEFT_GRAPH_EDGE_BODIES(X, float)    \
  WEFT_GRAPH_EDGE_BODIES(X, double)

inline namespace WEFT_ISA {

/// Gradients of what the ends add, from that of the product.
template <class T, class Team, class A>
WEFT_HD void end_gradients(const Team& team, const Piece& z, const Plane& plane, const A& added, const T* g,
                           const EndGradients<T>& to) {
  const auto scaled = [=](std::int64_t i, std::int64_t j) { return g[i * z.columns + j] * added.norm(i, j); };
  if (to.of_rows) {
    T* y = to.of_rows + plane.of_nodes(z, z.rows);
    const bool adds = to.adds_to_rows;
    row_sums<T>(team, z.rows, z.columns, scaled, [=](std::int64_t i, T sum) { y[i] = adds ? y[i] + sum : sum; });
  }
  if (to.of_columns) {
    T* y = to.of_columns + plane.of_nodes(z, z.columns);
    const bool adds = to.adds_to_columns;
    column_sums<T>(team, z.rows, z.columns, scaled, [=](std::int64_t j, T sum) { y[j] = adds ? y[j] + sum : sum; });
  }
}

template <class T, class Team, class A, class W>
WEFT_HD void take(const Messages<T>& b, const Team& team, const Plane& plane, const T* product, const A& added,
                  const W& weight) {
  const std::int64_t columns = b.z.columns;
  T* y = b.y + plane.of_nodes(b.z, b.to_rows ? b.z.rows : columns);
  const T scale = T(1) / static_cast<T>(b.to_rows ? columns : b.z.rows);
  const auto store = [=](std::int64_t k, T sum) { y[k] = scale * sum; };
  const auto r = [=](std::int64_t i, std::int64_t j) { return Relu::f(product[i * columns + j] + added(i, j), T(0)); };
  if (b.to_rows)
    row_sums<T>(
        team, b.z.rows, columns, [=](std::int64_t i, std::int64_t j) { return weight[j] * r(i, j); }, store);
  else
    column_sums<T>(
        team, b.z.rows, columns, [=](std::int64_t i, std::int64_t j) { return weight[i] * r(i, j); }, store);
}

template <class T, class Team, class A, class W>
WEFT_HD void take(const MessagesVjp<T>& b, const Team& team, const Plane& plane, T* product, const A& added,
                  const W& weight) {
  const std::int64_t rows = b.z.rows, columns = b.z.columns;
  const bool to_rows = b.to_rows;
  const T* gy = b.gy + plane.of_nodes(b.z, to_rows ? rows : columns);
  const T scale = T(1) / static_cast<T>(to_rows ? columns : rows);
  const auto before = [=](std::int64_t i, std::int64_t j) { return product[i * columns + j] + added(i, j); };
  if (b.weight_parts) {
    T* parts = b.weight_parts + plane.of_nodes(b.z, to_rows ? columns : rows);
    const auto along = [=](std::int64_t i, std::int64_t j) {
      return Relu::f(before(i, j), T(0)) * gy[to_rows ? i : j];
    };
    const auto store = [=](std::int64_t k, T sum) { parts[k] = scale * sum; };
    if (to_rows)
      column_sums<T>(team, rows, columns, along, store);
    else
      row_sums<T>(team, rows, columns, along, store);
  }
  for (std::int64_t i = 0; i < rows; ++i)
    team.each(columns, [=](std::int64_t j) {
      const T g = scale * (to_rows ? gy[i] * weight[j] : gy[j] * weight[i]);
      product[i * columns + j] = before(i, j) > T(0) ? g : T(0);
    });
  end_gradients(team, b.z, plane, added, product, b.to);
}

/// With the kinds of norms and weights known to the compiler.
template <bool scaled, class T, class Team, class Body>
WEFT_HD void take_weighted(const Body& b, const Team& team, std::int64_t at, T* product) {
  const Plane plane(b.z, at);
  const auto added = plane.added<scaled>(b.z, b.ends);
  if (b.weight)
    take(b, team, plane, product + at * plane.numbers, added,
         b.weight + plane.network * (b.to_rows ? b.z.columns : b.z.rows));
  else
    take(b, team, plane, product + at * plane.numbers, added, Ones<T>{});
}

template <class T, class Team>
WEFT_HD void loop_row(const Messages<T>& b, const Team& team, std::int64_t at, void*) {
  b.ends.norms ? take_weighted<true>(b, team, at, b.product) : take_weighted<false>(b, team, at, b.product);
}
template <class T, class Team>
WEFT_HD void loop_row(const MessagesVjp<T>& b, const Team& team, std::int64_t at, void*) {
  b.ends.norms ? take_weighted<true>(b, team, at, b.product) : take_weighted<false>(b, team, at, b.product);
}

template <class T, class Team>
WEFT_HD void loop_row(const Hidden<T>& b, const Team& team, std::int64_t at, void*) {
  const Plane plane(b.z, at);
  T* r = b.product + at * plane.numbers;
  const auto run = [&](const auto& added) {
    for (std::int64_t i = 0; i < b.z.rows; ++i, r += b.z.columns)
      team.each(b.z.columns, [=](std::int64_t j) { r[j] = Relu::f(r[j] + added(i, j), T(0)); });
  };
  b.ends.norms ? run(plane.added<true>(b.z, b.ends)) : run(plane.added<false>(b.z, b.ends));
}

template <class T, class Team>
WEFT_HD void loop_row(const HiddenVjp<T>& b, const Team& team, std::int64_t at, void*) {
  const Plane plane(b.z, at);
  const T* r = b.r + at * plane.numbers;
  T* g = b.g + at * plane.numbers;
  team.each(plane.numbers, [=](std::int64_t k) { g[k] = r[k] > T(0) ? g[k] : T(0); });
  if (b.ends.norms)
    end_gradients(team, b.z, plane, plane.added<true>(b.z, b.ends), g, b.to);
  else
    end_gradients(team, b.z, plane, plane.added<false>(b.z, b.ends), g, b.to);
}

template <class T, class Team>
WEFT_HD void loop_row(const Shifted<T>& b, const Team& team, std::int64_t at, void*) {
  const T *x = b.x + at * b.plane, *norms = b.norms ? b.norms + at % b.batch * b.plane : nullptr;
  const T shift = b.shift[at / b.batch];
  T* y = b.y + at * b.plane;
  if (norms)
    team.each(b.plane, [=](std::int64_t k) { y[k] = x[k] + norms[k] * shift; });
  else
    team.each(b.plane, [=](std::int64_t k) { y[k] = x[k] + shift; });
}

template <class T, class Team>
WEFT_HD void loop_row(const AddPlanes<T>& b, const Team& team, std::int64_t at, void*) {
  const T* x = b.x + at * b.plane;
  T* y = b.y + at * b.plane;
  const bool adds = b.accumulate;
  team.each(b.plane, [=](std::int64_t k) { y[k] = adds ? y[k] + x[k] : x[k]; });
}

template <class T, class Team>
WEFT_HD void loop_row(const NormGradient<T>& b, const Team& team, std::int64_t at, void*) {
  const std::int64_t i = at % b.z.rows, own = at / b.z.rows, network = b.z.first + own, columns = b.z.columns;
  const std::int64_t of_piece = b.z.networks * b.z.rows * columns, of_batch = b.z.batch * b.z.rows * columns,
                     place = (network * b.z.rows + i) * columns;
  const T *g = b.g + at * columns, *u = b.ends.of_columns + network * columns,
          *v = b.ends.of_rows + network * b.z.rows + i;
  const std::int64_t u_step = b.z.batch * columns, v_step = b.z.batch * b.z.rows;
  T* to = b.to + place;
  const auto store = [=, adds = b.accumulate](std::int64_t j, T sum) { to[j] = adds ? to[j] + sum : sum; };
  const auto of_ends = [=](std::int64_t c, std::int64_t j) {
    return g[c * of_piece + j] * (u[c * u_step + j] + v[c * v_step]);
  };
  if (b.gy)
    column_sums<T>(
        team, b.e + b.d, columns,
        [=, gy = b.gy + place, shift = b.shift, e = b.e](std::int64_t c, std::int64_t j) {
          return c < e ? of_ends(c, j) : gy[(c - e) * of_batch + j] * shift[c - e];
        },
        store);
  else
    column_sums<T>(team, b.e, columns, of_ends, store);
}

}  // namespace WEFT_ISA
}  // namespace weft::graph
