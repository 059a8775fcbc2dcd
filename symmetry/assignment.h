#pragma once
// The linear assignment problem: which column each row takes so that the costs add up to the least.

#include <cstdint>
#include <span>
#include <vector>

namespace weft {

/// An optimal assignment with its proof: for every entry row_dual[i] + column_dual[j] <= cost[i, j] up to rounding,
/// with equality where i takes j; column_dual is never positive, and zero on columns that nobody takes.
struct Assignment {
  std::vector<std::int32_t> column_of_row;  ///< [rows]
  std::vector<double> row_dual, column_dual;
  double cost = 0;
};

/// Minimises sum_i cost[i, column_of_row[i]] over injective assignments; cost: [rows, columns], row-major, rows <=
/// columns. Shortest augmenting paths from a greedy start (Jonker, Volgenant 1987), O(rows² columns). Of several
/// optimal assignments always the same one. Throws ShapeError for more rows than columns or another number of costs,
/// NumericError for a cost that is not finite or beyond 1e300 in size.
Assignment assign(std::span<const double> cost, std::int64_t rows, std::int64_t columns);

}  // namespace weft
