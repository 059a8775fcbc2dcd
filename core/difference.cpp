#include "weft/core/difference.h"

#include <vector>

namespace weft {
namespace {

constexpr double no_measure = std::numeric_limits<double>::quiet_NaN();

}  // namespace

void Difference::add(std::span<const double> got, std::span<const double> expected) {
  if (got.size() != expected.size()) absolute_ = no_measure;
  for (std::size_t i = 0; i < std::min(got.size(), expected.size()); ++i) add(got[i], expected[i]);
}

void Difference::add(const Tensor& got, const Tensor& expected) {
  if (got.shape() != expected.shape()) absolute_ = no_measure;
  add(got.to(DType::f64).span<double>(), expected.to(DType::f64).span<double>());
}

double largest_difference(const Tensor& got, const Tensor& expected) {
  Difference d;
  d.add(got, expected);
  return d.absolute();
}

double relative_error(std::span<const double> got, std::span<const double> expected) {
  Difference d;
  d.add(got, expected);
  return d.relative();
}

double relative_error(const Tensor& got, const Tensor& expected, double least) {
  Difference d;
  d.add(got, expected);
  return d.relative(least);
}

double relative_error(std::span<const Tensor> got, std::span<const Tensor> expected) {
  if (got.size() != expected.size() || got.empty()) return no_measure;
  double worst = 0;
  for (std::size_t i = 0; i < got.size(); ++i) worst = worse(worst, relative_error(got[i], expected[i]));
  return worst;
}

double relative_error_of_blocks(const Tensor& got, const Tensor& expected, int axis) {
  Difference whole;
  whole.add(got, expected);
  if (!std::isfinite(whole.absolute()) || axis >= expected.rank()) return whole.relative();
  const Tensor g = got.to(DType::f64), e = expected.to(DType::f64);
  const std::int64_t blocks = e.dim(axis), inner = e.shape().sub(axis + 1, e.rank()).numel();
  std::vector<Difference> of(static_cast<std::size_t>(blocks));
  for (std::int64_t i = 0; i < e.numel(); ++i)
    of[static_cast<std::size_t>(i / inner % blocks)].add(g.data<double>()[i], e.data<double>()[i]);
  double worst = 0;
  for (const Difference& block : of) worst = worse(worst, block.relative(std::max(1e-3 * whole.size(), 1e-300)));
  return worst;
}

}  // namespace weft
