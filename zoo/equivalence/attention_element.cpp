// The group element between two attention modules whose heads are matched, by least squares.

#include <algorithm>

#include <Eigen/QR>
#include <Eigen/SVD>

#include "weft/zoo/equivalence/gauge.h"
#include "weft/zoo/equivalence/heads.h"

namespace weft::equivalence {

std::optional<Gauge> gauge(const Matrix& from, const Matrix& to) {
  if (from.rows() < from.cols()) return {};
  const Eigen::ColPivHouseholderQR<Eigen::MatrixXd> qr(from);
  const Eigen::MatrixXd transposed = qr.solve(to);
  const Eigen::JacobiSVD<Eigen::MatrixXd> svd(transposed, Eigen::ComputeThinU | Eigen::ComputeThinV);
  const auto& s = svd.singularValues();
  const double condition = s(0) / s(s.size() - 1);
  if (!(condition <= largest_condition)) return {};
  Gauge g;
  g.matrix = transposed.transpose();
  g.inverse = svd.matrixU() * s.cwiseInverse().asDiagonal() * svd.matrixV().transpose();
  g.condition = condition;
  return g;
}

namespace {

double relative(const Matrix& difference, const Matrix& expected) {
  const double d = difference.norm();
  return d > 0 ? d / expected.norm() : 0;
}

}  // namespace

std::optional<AttentionElement> find_element(const AttentionModule& a, const AttentionModule& b,
                                             const std::vector<std::int32_t>& source, bool after_norm, double allowed) {
  const std::int64_t h = a.q.dim(0), D = a.q.dim(1), Dk = a.q.dim(2), Dv = a.v.dim(2);
  const Space space = attention_space(D, h, Dk, Dv);
  const Element identity = Element::identity(space);
  std::vector<ElementPart> parts(identity.parts().begin(), identity.parts().end());
  ElementPart &heads = parts[static_cast<std::size_t>(space.find_factor("h"))],
              &q = parts[static_cast<std::size_t>(space.find_factor("q"))],
              &v = parts[static_cast<std::size_t>(space.find_factor("v"))];
  heads.order = source;
  double residual = 0, condition = 1;
  for (std::int64_t i = 0; i < h; ++i) {
    const std::int64_t from = source[static_cast<std::size_t>(i)];
    auto solve = [&](const Tensor& x, const Tensor& y, ElementPart& part) -> std::optional<Gauge> {
      const Matrix old = matrix(x, from, after_norm), now = matrix(y, i, after_norm);
      const auto g = gauge(old, now);
      if (!g) return {};
      residual = std::max(residual, relative(old * g->matrix.transpose() - now, now));
      condition = std::max(condition, g->condition);
      std::copy_n(g->matrix.data(), g->matrix.size(), part.matrix.data() + from * g->matrix.size());
      std::copy_n(g->inverse.data(), g->inverse.size(), part.inverse.data() + from * g->inverse.size());
      return g;
    };
    const auto M = solve(a.q, b.q, q);
    const auto N = solve(a.v, b.v, v);
    if (!M || !N) return {};
    const Matrix k = matrix(b.k, i, after_norm), o = matrix(b.o, i);
    residual = std::max(residual, relative(matrix(a.k, from, after_norm) * M->inverse - k, k));
    residual = std::max(residual, relative(N->inverse.transpose() * matrix(a.o, from) - o, o));
  }
  if (!(residual <= allowed)) return {};
  return AttentionElement{Element(space, std::move(parts)), residual, condition};
}

}  // namespace weft::equivalence
