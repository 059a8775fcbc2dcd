#include "weft/symmetry/assignment.h"

#include <cmath>
#include <limits>

#include "weft/core/error.h"
#include "weft/core/stop.h"
#include "weft/core/told.h"

namespace weft {
namespace {

constexpr double largest_cost = 1e300;  // sums of a few of them stay finite
constexpr std::int32_t nobody = -1;

void check(std::span<const double> cost, std::int64_t rows, std::int64_t columns) {
  if (rows < 0 || rows > columns || static_cast<std::int64_t>(cost.size()) != rows * columns)
    throw ShapeError("[assign] {} costs for {} rows and {} columns; allowed: rows x columns, no more rows than columns",
                     cost.size(), rows, columns);
  for (std::size_t i = 0; i < cost.size(); ++i)
    if (!(std::abs(cost[i]) <= largest_cost))
      throw NumericError("[assign] cost {} of row {}, column {}; allowed: finite numbers up to {:g} in size",
                         told(cost[i]), static_cast<std::int64_t>(i) / columns, static_cast<std::int64_t>(i) % columns,
                         largest_cost);
}

/// The state of the search: duals are always feasible, and tight on what is assigned.
struct Search {
  std::span<const double> cost;
  std::size_t rows, columns;
  std::vector<double> u, v;
  std::vector<std::int32_t> column_of_row, row_of_column;
  // Of one augmenting path:
  std::vector<double> distance;
  std::vector<std::int32_t> from_row;
  std::vector<char> done;

  double reduced(std::size_t i, std::size_t j) const { return cost[i * columns + j] - u[i] - v[j]; }

  /// Every row's cheapest column, where it is still free.
  void start() {
    for (std::size_t i = 0; i < rows; ++i) {
      std::size_t best = 0;
      for (std::size_t j = 1; j < columns; ++j)
        if (cost[i * columns + j] < cost[i * columns + best]) best = j;
      u[i] = cost[i * columns + best];
      if (row_of_column[best] == nobody) take(i, best);
    }
  }

  void take(std::size_t i, std::size_t j) {
    column_of_row[i] = static_cast<std::int32_t>(j);
    row_of_column[j] = static_cast<std::int32_t>(i);
  }

  /// Dijkstra over the reduced costs from a free row to the nearest free column, which then all rows on the path shift
  /// towards.
  void augment(std::size_t root) {
    stop_point();
    distance.assign(columns, std::numeric_limits<double>::infinity());
    from_row.assign(columns, nobody);
    done.assign(columns, 0);
    double reached = 0;
    std::size_t row = root, end = columns;
    while (end == columns) {
      std::size_t nearest = columns;
      for (std::size_t j = 0; j < columns; ++j) {
        if (done[j]) continue;
        if (const double d = reached + reduced(row, j); d < distance[j]) {
          distance[j] = d;
          from_row[j] = static_cast<std::int32_t>(row);
        }
        if (nearest == columns || distance[j] < distance[nearest] ||
            (distance[j] == distance[nearest] && row_of_column[j] == nobody && row_of_column[nearest] != nobody))
          nearest = j;
      }
      reached = distance[nearest];
      done[nearest] = 1;
      if (row_of_column[nearest] == nobody)
        end = nearest;
      else
        row = static_cast<std::size_t>(row_of_column[nearest]);
    }
    u[root] += reached;
    for (std::size_t j = 0; j < columns; ++j)
      if (done[j] && j != end) {
        u[static_cast<std::size_t>(row_of_column[j])] += reached - distance[j];
        v[j] -= reached - distance[j];
      }
    for (std::size_t j = end;;) {
      const auto i = static_cast<std::size_t>(from_row[j]);
      const std::int32_t before = column_of_row[i];
      take(i, j);
      if (i == root) break;
      j = static_cast<std::size_t>(before);
    }
  }
};

}  // namespace

Assignment assign(std::span<const double> cost, std::int64_t rows, std::int64_t columns) {
  check(cost, rows, columns);
  const auto n = static_cast<std::size_t>(rows), m = static_cast<std::size_t>(columns);
  Search s{cost,
           n,
           m,
           std::vector<double>(n),
           std::vector<double>(m),
           std::vector<std::int32_t>(n, nobody),
           std::vector<std::int32_t>(m, nobody),
           {},
           {},
           {}};
  s.start();
  for (std::size_t i = 0; i < n; ++i)
    if (s.column_of_row[i] == nobody) s.augment(i);
  Assignment out{std::move(s.column_of_row), std::move(s.u), std::move(s.v), 0};
  for (std::size_t i = 0; i < n; ++i) out.cost += cost[i * m + static_cast<std::size_t>(out.column_of_row[i])];
  return out;
}

}  // namespace weft
