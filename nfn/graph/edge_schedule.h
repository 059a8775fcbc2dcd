#pragma once
// The operations of nfn/graph/edges.h on raw memory. A few networks at a time go through products and planes while they
// are in cache; pieces follow from the shapes alone.

#include "weft/nfn/graph/planes.h"
#include "weft/nfn/schedule.h"

namespace weft::graph {

/// Sizes and memory of an EdgeHidden.
template <class T>
struct EdgeOperands {
  std::int64_t e, d, batch, rows, columns;
  const T *x, *weight;
  Ends<T> ends;

  std::int64_t plane() const { return rows * columns; }
  /// Of all networks: how far apart two channels of x are.
  std::int64_t edges() const { return batch * plane(); }
};

template <class T>
struct EdgeGradients {
  schedule::Grad<T> of_rows, of_columns, norms, weight, x;
};

/// What nodes send along the edges.
template <class T>
struct Sending {
  const T* weight;  ///< or null
  bool to_rows;
};

template <class T>
void send_messages(Arena& arena, const EdgeOperands<T>& o, const Sending<T>& sending, T* y);
template <class T>
void send_messages_vjp(Arena& arena, const EdgeOperands<T>& o, const Sending<T>& sending, const T* gy,
                       const EdgeGradients<T>& to, const schedule::Grad<T>& to_sending);

template <class T>
void update_edges(Arena& arena, const EdgeOperands<T>& o, const T* out, const T* shift, T* y);
template <class T>
void update_edges_vjp(Arena& arena, const EdgeOperands<T>& o, const T* out, const T* shift, const T* gy,
                      const schedule::Grad<T>& to_out, const schedule::Grad<T>& to_shift, const EdgeGradients<T>& to);

}  // namespace weft::graph
