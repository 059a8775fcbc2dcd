// The assignment is optimal: proved by its duals, and against all permutations where there are few.

#include "weft/symmetry/assignment.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "weft/core/difference.h"
#include "weft/core/error.h"
#include "weft/core/random.h"
#include "weft/tests/disk.h"

using namespace weft;

namespace {

/// What is wrong with the proof; empty when the assignment is optimal.
std::string flaw(const std::vector<double>& cost, std::size_t rows, std::size_t columns, const Assignment& a) {
  double size = 0, total = 0, dual = 0;
  for (double c : cost) size = worse(size, std::abs(c));
  const double rounding = 1e-13 * size * static_cast<double>(1 + rows);
  std::vector<bool> taken(columns);
  for (std::size_t i = 0; i < rows; ++i) {
    const auto j = static_cast<std::size_t>(a.column_of_row[i]);
    if (j >= columns || taken[j]) return "no injective assignment";
    taken[j] = true;
    total += cost[i * columns + j];
    dual += a.row_dual[i];
    if (!(std::abs(cost[i * columns + j] - a.row_dual[i] - a.column_dual[j]) <= rounding)) return "not tight";
    for (std::size_t k = 0; k < columns; ++k)
      if (!(a.row_dual[i] + a.column_dual[k] <= cost[i * columns + k] + rounding)) return "not feasible";
  }
  for (std::size_t j = 0; j < columns; ++j) {
    dual += a.column_dual[j];
    if (!(a.column_dual[j] <= 0) || (!taken[j] && a.column_dual[j] != 0)) return "a column's dual has the wrong sign";
  }
  if (!(std::abs(total - a.cost) <= rounding && std::abs(dual - a.cost) <= rounding * 10)) return "duality gap";
  return "";
}

double brute_force(const std::vector<double>& cost, std::size_t rows, std::size_t columns) {
  std::vector<std::size_t> order(columns);
  std::iota(order.begin(), order.end(), 0u);
  double best = std::numeric_limits<double>::infinity();
  do {
    double sum = 0;
    for (std::size_t i = 0; i < rows; ++i) sum += cost[i * columns + order[i]];
    best = std::min(best, sum);
  } while (std::next_permutation(order.begin(), order.end()));
  return best;
}

/// Costs of many sorts: normals, small integers (ties), all equal, tiny differences on a large offset, wide ranges.
std::vector<double> costs(std::size_t n, std::uint64_t sort, RandomKey key) {
  std::vector<double> c(n);
  for (std::size_t i = 0; i < n; ++i) {
    const double x = normal(key, i);
    c[i] = sort == 0 ? x : sort == 1 ? std::floor(2 * x) : sort == 2 ? 7 : sort == 3 ? 1e6 + x : std::exp(12 * x);
  }
  return c;
}

}  // namespace

TEST_CASE("assignment: optimal against all permutations of up to six") {
  for (std::uint64_t n = 0; n < 2000; ++n) {
    const RandomKey key = RandomKey(n, "assignment");
    const auto columns = static_cast<std::size_t>(1 + n % 6), rows = static_cast<std::size_t>(n / 6 % (columns + 1));
    const auto cost = costs(rows * columns, n % 5, key);
    const Assignment a = assign(cost, static_cast<std::int64_t>(rows), static_cast<std::int64_t>(columns));
    CHECK(flaw(cost, rows, columns, a) == "");
    double size = 1;
    for (double c : cost) size = worse(size, std::abs(c));
    CHECK(std::abs(a.cost - brute_force(cost, rows, columns)) <= 1e-13 * size);
  }
  CHECK(assign({}, 0, 0).column_of_row.empty());
}

TEST_CASE("assignment: the duals prove large ones, square and rectangular") {
  for (std::uint64_t n = 0; n < 60; ++n) {
    const RandomKey key = RandomKey(n, "assignment large");
    const auto rows = static_cast<std::size_t>(10 + 3 * n), columns = rows + (n % 3) * 11;
    const auto cost = costs(rows * columns, n % 5, key);
    const Assignment a = assign(cost, static_cast<std::int64_t>(rows), static_cast<std::int64_t>(columns));
    CHECK(flaw(cost, rows, columns, a) == "");
    CHECK(assign(cost, static_cast<std::int64_t>(rows), static_cast<std::int64_t>(columns)).column_of_row ==
          a.column_of_row);
  }
}

TEST_CASE("assignment: a planted permutation is found") {
  const std::size_t n = 100;
  const auto planted = permutation(n, RandomKey(0, "planted"));
  auto cost = costs(n * n, 0, RandomKey(0, "assignment planted"));
  for (std::size_t i = 0; i < n; ++i) cost[i * n + static_cast<std::size_t>(planted[i])] = -10;
  CHECK(assign(cost, n, n).column_of_row == planted);
}

TEST_CASE("assignment: what it refuses, word for word") {
  const double bad[] = {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(), -1e301};
  const char* text[] = {"nan", "inf", "-1e+301"};
  for (std::size_t i = 0; i < 3; ++i)
    CHECK(message_of<NumericError>([&] {
            assign(std::vector<double>{1, 2, 3, bad[i]}, 2, 2);
          }) ==
          fmt::format("[assign] cost {} of row 1, column 1; allowed: finite numbers up to 1e+300 in size", text[i]));
  CHECK(message_of<ShapeError>([] {
          assign(std::vector<double>{1, 2}, 2, 1);
        }) == "[assign] 2 costs for 2 rows and 1 columns; allowed: rows x columns, no more rows than columns");
  CHECK(message_of<ShapeError>([] {
          assign(std::vector<double>{1, 2}, 1, 1);
        }) == "[assign] 2 costs for 1 rows and 1 columns; allowed: rows x columns, no more rows than columns");
}
