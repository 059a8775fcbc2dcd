#include "weft/nn/metrics.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "weft/core/error.h"

namespace weft {
namespace {

double pairs(double n) { return n * (n - 1) / 2; }

/// Σ over runs of equal neighbours of the pairs within a run.
template <class Equal>
double tied_pairs(std::size_t n, const Equal& equal) {
  double sum = 0;
  for (std::size_t begin = 0, i = 1; i <= n; ++i)
    if (i == n || !equal(i - 1, i)) {
      sum += pairs(static_cast<double>(i - begin));
      begin = i;
    }
  return sum;
}

/// Sorts v[begin, end) by merging; returns the number of pairs that stood in the wrong order.
double sort_counting(std::vector<double>& v, std::vector<double>& buffer, std::size_t begin, std::size_t end) {
  if (end - begin < 2) return 0;
  const std::size_t middle = (begin + end) / 2;
  double swaps = sort_counting(v, buffer, begin, middle) + sort_counting(v, buffer, middle, end);
  std::size_t i = begin, j = middle, k = begin;
  while (i < middle && j < end) {
    if (v[j] < v[i]) {
      swaps += static_cast<double>(middle - i);
      buffer[k++] = v[j++];
    } else {
      buffer[k++] = v[i++];
    }
  }
  std::copy(v.begin() + static_cast<std::ptrdiff_t>(i), v.begin() + static_cast<std::ptrdiff_t>(middle),
            buffer.begin() + static_cast<std::ptrdiff_t>(k));
  k += middle - i;
  std::copy(v.begin() + static_cast<std::ptrdiff_t>(j), v.begin() + static_cast<std::ptrdiff_t>(end),
            buffer.begin() + static_cast<std::ptrdiff_t>(k));
  std::copy(buffer.begin() + static_cast<std::ptrdiff_t>(begin), buffer.begin() + static_cast<std::ptrdiff_t>(end),
            v.begin() + static_cast<std::ptrdiff_t>(begin));
  return swaps;
}

void refuse_nan(const char* who, std::span<const double> values) {
  for (std::size_t i = 0; i < values.size(); ++i)
    if (std::isnan(values[i])) throw NumericError("[{}] value {} is NaN", who, i);
}

}  // namespace

double kendall_tau_b(std::span<const double> a, std::span<const double> b) {
  if (a.size() != b.size()) throw ShapeError("[kendall_tau_b] {} values against {}", a.size(), b.size());
  refuse_nan("kendall_tau_b", a);
  refuse_nan("kendall_tau_b", b);
  const std::size_t n = a.size();
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t i, std::size_t j) { return a[i] != a[j] ? a[i] < a[j] : b[i] < b[j]; });
  std::vector<double> second(n), buffer(n);
  for (std::size_t i = 0; i < n; ++i) second[i] = b[order[i]];
  const double tied_a = tied_pairs(n, [&](std::size_t i, std::size_t j) { return a[order[i]] == a[order[j]]; });
  const double tied_both =
      tied_pairs(n, [&](std::size_t i, std::size_t j) { return a[order[i]] == a[order[j]] && second[i] == second[j]; });
  const double discordant = sort_counting(second, buffer, 0, n);
  const double tied_b = tied_pairs(n, [&](std::size_t i, std::size_t j) { return second[i] == second[j]; });
  const double all = pairs(static_cast<double>(n));
  const double concordant = all - tied_a - tied_b + tied_both - discordant;
  const double scale = std::sqrt((all - tied_a) * (all - tied_b));
  return scale > 0 ? (concordant - discordant) / scale : 0;
}

double kendall_tau_b(const Tensor& a, const Tensor& b) {
  const Tensor x = a.placed_on(nullptr).to(DType::f64), y = b.placed_on(nullptr).to(DType::f64);
  return kendall_tau_b(x.span<double>(), y.span<double>());
}

double kendall_ceiling(std::span<const double> truth) {
  refuse_nan("kendall_ceiling", truth);
  std::vector<double> sorted(truth.begin(), truth.end());
  std::sort(sorted.begin(), sorted.end());
  const double all = pairs(static_cast<double>(sorted.size()));
  const double tied = tied_pairs(sorted.size(), [&](std::size_t i, std::size_t j) { return sorted[i] == sorted[j]; });
  return all > 0 ? std::sqrt((all - tied) / all) : 0;
}

}  // namespace weft
