#include "weft/groups/kinds/matrices.h"

#include <cmath>
#include <numeric>

#include "weft/core/gemm.h"

namespace weft::kind_tables {

void random_orthogonal(std::span<double> q, std::int64_t n, RandomKey key) {
  for (std::size_t i = 0; i < q.size(); ++i) q[i] = normal(key, i);
  auto row = [&](std::int64_t i) { return q.subspan(static_cast<std::size_t>(i * n), static_cast<std::size_t>(n)); };
  for (std::int64_t i = 0; i < n; ++i)
    for (int pass = 0; pass < 2; ++pass) {  // twice for accuracy
      for (std::int64_t j = 0; j < i; ++j) {
        const double dot = std::inner_product(row(i).begin(), row(i).end(), row(j).begin(), 0.0);
        for (std::size_t k = 0; k < row(i).size(); ++k) row(i)[k] -= dot * row(j)[k];
      }
      const double norm = std::sqrt(std::inner_product(row(i).begin(), row(i).end(), row(i).begin(), 0.0));
      for (double& x : row(i)) x /= norm;
    }
}

void multiply(std::span<const double> a, std::span<const double> b, std::span<double> c, std::int64_t n) {
  constexpr std::int64_t large = 32;  // from here on a product's packing pays
  if (n >= large) return gemm<double>({1, n, n, n}, {a.data(), 0, n, 1}, {b.data(), 0, n, 1}, 0., c.data(), 0, n);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (std::int64_t k = 0; k < n; ++k)
        sum += a[static_cast<std::size_t>(i * n + k)] * b[static_cast<std::size_t>(k * n + j)];
      c[static_cast<std::size_t>(i * n + j)] = sum;
    }
}

std::span<double> copy_of(std::vector<double>& matrices, const ElementPart& part, std::int64_t copy) {
  const auto n = static_cast<std::size_t>(part.size * part.size);
  return std::span(matrices).subspan(static_cast<std::size_t>(copy) * n, n);
}

}  // namespace weft::kind_tables
