#pragma once
// Operations on the edges between two layers of nodes, of a whole batch. Channels are the slowest axis, so that all
// edges of all networks are the columns of one matrix; nothing of the size of the edges but x and y outlives a call.

#include "weft/autograd/tape.h"

namespace weft::graph {

/// The hidden layer of a small network on every edge and its two ends:
///     r[e,b,i,j] = relu(Σ_d weight[e,d] x[d,b,i,j] + norms[b,i,j] (of_columns[e,b,j] + of_rows[e,b,i]))
/// What it reads of the ends is mixed there, node by node, and never repeated along the edges. Without norms they are
/// 1.
/// type  x scales as relu allows, the norms as x, and the ends not at all: so r scales as x. Without norms nothing may
///       scale.
struct EdgeHidden {
  Var x;                    ///< [d, B, rows, columns]
  Var weight;               ///< [e, d]
  Var of_columns, of_rows;  ///< [e, B, columns], [e, B, rows]
  Var norms = {};           ///< [B, rows, columns]
};

/// Which nodes of an edge receive.
enum class Receives : std::uint8_t { rows, columns };

/// y = the mean over the nodes that send of weight r: y[e,b,i] = 1/columns Σ_j weight[b,j] r[e,b,i,j] where rows
/// receive, [e, B, columns] where columns do.
/// weight: of the nodes that send, [B, columns] or [B, rows]; 1 where it is undefined
/// vjp   forms r again, a few networks at a time     saves its inputs
/// type  the axis that is summed scales against the weight
/// cost  2 B e d rows columns flops; the vjp three times that
/// Throws ShapeError, DtypeError, TypeError by these rules.
Var messages(const EdgeHidden& hidden, const Var& weight, Receives to);

/// y = x + Σ_e out[d,e] r[e,b,i,j] + norms shift[d]     y: as x
/// vjp   forms r again, a few networks at a time     saves its inputs
/// cost  4 B e d rows columns flops; the vjp two and a half times that
/// Throws ShapeError, DtypeError, TypeError by these rules.
Var edge_update(const EdgeHidden& hidden, const Var& out, const Var& shift);

}  // namespace weft::graph
